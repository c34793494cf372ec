//! Generates the state directory of a gate, with records of finished repairs.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde_json::{Map, json};
use testkit::{Random, set_mode};

use crate::size::Size;

/// Number of records for each repair. The gate keeps at most 1,000.
const OF_ONE_NAME: u64 = 900;
const DAY: u64 = 24 * 3600 * 1000;

/// Writes `gate/` and the matching `repairs.json`. The records are at most a day old, so none has
/// expired.
pub fn write(dir: &Path, size: &Size, now: u64, random: &mut Random) -> io::Result<()> {
    let (state, mut repairs) = (dir.join("gate"), Map::new());
    let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    make(&state)?;
    make(&state.join("jobs"))?;
    fs::write(state.join("lock"), "")?;
    set_mode(state.join("lock"), 0o600);
    for n in 0..size.gate_records {
        let name = format!("restart{:02}", n / OF_ONE_NAME);
        let place = state.join("jobs").join(&name);
        if n % OF_ONE_NAME == 0 {
            make(&place)?;
            let repair = json!({"run": ["/bin/true"], "cooldown": "0s"});
            repairs.insert(name.clone(), repair);
        }
        let started = now - DAY + 3_600_000 + random.below(DAY - 2 * 3_600_000);
        let job = format!("{:x}-{:016x}-1", started / 1000, random.below(u64::MAX));
        let record = json!({
            "job": job, "repair": name, "state": "done", "started": started,
            "deadline": started + 70_000, "ended": started + 400,
            "boot": "5b9a3a9e-0e0d-4e0f-9c3e-2f1a7f0f3c11", "pid": 4242, "session": 4242,
            "exit": 0, "signal": null, "seconds": 0.4, "output": ["restarted"],
        });
        let path = place.join(format!("{job}.json"));
        fs::write(&path, format!("{record}\n"))?;
        set_mode(&path, 0o600);
    }
    fs::write(dir.join("repairs.json"), format!("{:#}\n", json!({"repairs": repairs})))
}
