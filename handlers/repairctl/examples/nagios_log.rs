//! Generates a Nagios log for timing `repairctl replay` by hand. `nagios_log 1000 > nagios.log`
//! writes 1000 MB, and `nagios_log objects` writes the matching object cache.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a tool for measuring")]

use std::io::{self, BufWriter, Write};

#[path = "../tests/month/mod.rs"]
mod month;

fn main() -> io::Result<()> {
    let word = std::env::args().nth(1).unwrap_or_default();
    let mut to = BufWriter::new(io::stdout().lock());
    match word.parse::<u64>() {
        Ok(megabytes) => month::write(&mut to, megabytes * 1_000_000)?,
        Err(_) if word == "objects" => to.write_all(month::objects().as_bytes())?,
        Err(_) => return Err(io::Error::other("usage: nagios_log MEGABYTES|objects")),
    }
    to.flush()
}
