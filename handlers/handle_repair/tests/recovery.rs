//! Tests how long it takes, if no gate answers, to close repairs whose workers have died.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use handle_repair::cli::{self, Invocation};
use handle_repair::worker;
use ledger::{Claim, RepairOutcome, RungStart};
use policy::{Decision, Event, JobId, ObjectState, StateType};
use serde_json::json;

/// Number of gates that do not answer. Waiting for one after the other would take a minute.
const GATES: usize = 6;

#[test]
fn waits_for_all_silent_gates_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let keygen = ["-q", "-t", "ed25519", "-N", "", "-f"];
    assert!(Command::new("ssh-keygen").args(keygen).arg(at("key")).status().unwrap().success());
    let public = fs::read_to_string(at("key.pub")).unwrap();
    fs::write(at("known_hosts"), format!("[*]:* {public}")).unwrap();
    // The kernel accepts connections for this socket, but nothing answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let policy = json!({
        "ledger": at("ledger.sqlite"),
        "ssh": {
            "port": silent.local_addr().unwrap().port(), "key": at("key"),
            "known_hosts": [at("known_hosts")],
        },
        "repairs": {"httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["/bin/true"]}},
    });
    fs::write(at("policy.json"), policy.to_string()).unwrap();
    let config = policy_file::read(&at("policy.json")).unwrap();
    let job = |number: usize| format!("dead-worker-{number}").parse::<JobId>().unwrap();
    let mut ledger = ledger::open(&config.ledger).unwrap();
    for number in 0..GATES {
        let host = format!("web{number}");
        let event = Event::new(&host, Some("HTTP"), ObjectState::Critical, StateType::Hard, 4);
        let (job, horizon) = (job(number), config.policy.horizon(&event));
        let lease = Duration::from_secs(60);
        let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
        let repair = |_: &_| Decision::Repair("httpd".parse().unwrap());
        ledger.reserve(&claim, &SystemTime::now, &repair).unwrap().unwrap();
        // The deadline is now, so the repair can be closed even if the gate does not answer.
        let now = SystemTime::now();
        let rung = RungStart { number: 1, gate: Some(&host), deadline: now };
        ledger.begin_rung(&job, now, &rung, "").unwrap();
    }
    // Dropping the ledger releases the locks, as if the workers had died.
    drop(ledger);
    let mut ledger = ledger::open(&config.ledger).unwrap();
    let call = |number: usize| {
        let call = format!("DOWN HARD 1 --host web{number} --address 127.0.0.1");
        cli::read(&call.split(' ').map(Into::into).collect::<Vec<_>>()).unwrap()
    };
    let calls: Vec<Invocation> = (0..GATES).map(call).collect();
    let begun = Instant::now();
    worker::close_abandoned(ledger.as_mut(), &calls, &config, &mut || ()).unwrap();
    let took = begun.elapsed();
    assert!((9..30).contains(&took.as_secs()), "{took:?}");
    for number in 0..GATES {
        let record = ledger.repair_of(&job(number)).unwrap().unwrap();
        assert_eq!(record.outcome, Some(RepairOutcome::Unknown), "{record:?}");
        assert!(record.text.contains("the gate cannot be queried"), "{record:?}");
    }
}
