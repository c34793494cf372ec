//! The repairs that the gates have recorded.

use std::fs;
use std::path::Path;

use e2e::gate_records;
use serde_json::Value;

/// A repair that a gate has run. Times are milliseconds since 1970.
#[derive(Debug)]
pub struct GateRun {
    pub object: String,
    /// Job ID of the ledger.
    pub job: String,
    pub state: String,
    pub started: u64,
    pub ended: u64,
}

/// Reads the records in the state directory of a host's gate.
pub fn gate_runs(host: &str, state: &Path) -> Vec<GateRun> {
    let read = |path| {
        let record: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let text = |key: &str| record[key].as_str().unwrap().to_owned();
        GateRun {
            object: format!("{host}/{}", text("repair")),
            job: text("job").strip_suffix("-1").unwrap().to_owned(),
            state: text("state"),
            started: record["started"].as_u64().unwrap(),
            ended: record["ended"].as_u64().unwrap_or(u64::MAX),
        }
    };
    gate_records(state).iter().map(read).collect()
}

/// Returns the highest number of repairs that ran at the same time.
pub fn most_at_once(runs: &[GateRun]) -> usize {
    let at_start = |one: &GateRun| {
        let ran = |other: &&GateRun| other.started <= one.started && one.started < other.ended;
        runs.iter().filter(ran).count()
    };
    runs.iter().map(at_start).max().unwrap_or(0)
}
