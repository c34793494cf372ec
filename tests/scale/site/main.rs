//! Generates the files of a large site: `site DIR SCALE SEED`. With SCALE 1, the site has 100,000
//! services and a year of history. With 0.1 or 0.01, every number that depends on the size of the
//! site is multiplied by this factor.
//!
//! Writes into DIR, which must not exist yet: `ledger.sqlite`, `nagios.cfg` with `objects.cfg`,
//! `objects.cache`, `status.dat` and `nagios.log`, a matching `policy.json`, `gate/` (the state
//! directory of a gate) with `repairs.json`, and `site.json`, which holds the site's numbers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a tool for measuring")]

mod gate;
mod history;
mod objects;
mod policy_json;
mod size;
mod status;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use size::Size;
use testkit::{Random, nagios_log};

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match words.as_slice() {
        [dir, scale, seed] => Size::of(scale).zip(seed.parse().ok()).map(|size| (dir, size)),
        _ => None,
    };
    let Some((dir, (size, seed))) = parsed else {
        return Err(io::Error::other("usage: site DIR SCALE SEED, with a SCALE from 0.01 to 1"));
    };
    fs::create_dir(dir)?;
    generate(&fs::canonicalize(dir)?, &size, seed)
}

fn generate(dir: &Path, size: &Size, seed: u64) -> io::Result<()> {
    let to = |name: &str| File::create(dir.join(name)).map(BufWriter::new);
    let now = size::now();
    nagios_log::write(&mut to("nagios.log")?, size.log_bytes, size.hosts)?;
    objects::write_config(&mut to("objects.cfg")?, size)?;
    objects::write_cache(&mut to("objects.cache")?, size)?;
    fs::write(dir.join("nagios.cfg"), objects::main_file(dir))?;
    policy_json::write(dir)?;
    gate::write(dir, size, now, &mut Random::new(seed))?;
    let steps = history::write(&dir.join("ledger.sqlite"), size, now, &mut Random::new(seed));
    // Write this file last, because a status file that is too old is not used.
    status::write(&mut to("status.dat")?, size, &mut Random::new(seed))?;
    fs::write(dir.join("site.json"), format!("{:#}\n", size.summary(steps)))
}
