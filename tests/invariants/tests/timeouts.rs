//! Tests that the server waits for a repair longer than the gate lets the repair run. This must
//! hold for the defaults and for the shipped configuration files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use policy::Act;
use repair_gate::config::{self, RepairDefinitions};
use repair_gate::request::Name;

/// How long it may take to connect to the gate and to receive its answer.
const WAY: Duration = Duration::from_secs(5);

/// Checks each rung that uses a gate. The rung's timeout must exceed the longest time that the gate
/// lets the repair run, by at least [`WAY`]. Returns how many rungs were checked.
fn compare(policy: &str, repairs: &RepairDefinitions) -> usize {
    let config = policy_file::parse(policy.as_bytes(), Path::new("policy.json")).unwrap();
    let rungs = config.policy.repairs.values().flat_map(|rules| rules.ladder.iter());
    let mut compared = 0;
    for rung in rungs {
        let Act::Ssh { repair, .. } = &rung.act else { continue };
        let gate = repairs.get(&Name::new(&repair.to_string()).unwrap()).unwrap();
        assert!(rung.timeout >= gate.longest_run() + WAY, "{repair}: {:?}", rung.timeout);
        compared += 1;
    }
    compared
}

#[test]
fn waits_longer_than_the_gate_by_default() {
    let policy = r#"{"repairs": {"x": {"ladder": [{"ssh": "x"}], "verify": ["check_http"]}}}"#;
    let repairs = config::parse(r#"{"repairs": {"x": {"run": ["/bin/true"]}}}"#).unwrap();
    assert_eq!(compare(policy, &repairs), 1);
}

#[test]
fn waits_longer_than_the_gate_in_the_shipped_files() {
    let shipped = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nagios-config").join(name);
        fs::read_to_string(file).unwrap()
    };
    let repairs = config::parse(&shipped("repairs.json")).unwrap();
    assert_eq!(compare(&shipped("policy.json"), &repairs), 2);
}
