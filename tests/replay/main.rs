//! Tests of `repairctl replay` with the log of a real Nagios. Replay must make the same decisions
//! as those in the ledger.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use e2e::{Lab, Watch, run, until};
use serde_json::{Value, json};

/// The first repair heals the service. The fault returns during the cooldown, so the handler calls
/// at SOFT 3 and at HARD are refused.
#[test]
fn replays_the_recorded_decisions() {
    let lab = Lab::new();
    let (place, monitor) = (&lab.place, &lab.monitor);
    lab.policy(|policy| {
        policy["repairs"]["httpd"]["cooldown"] = json!("10m");
        policy["repairs"]["httpd"]["healthy_for"] = json!("1h");
    });
    let nagios = lab.nagios(&Watch { retry_interval: 3, ..Watch::default() });

    lab.web.apache.kill();
    nagios.wait_for_call("OK;SOFT;4");
    lab.web.apache.kill();
    nagios.wait_for_call("CRITICAL;HARD;4");
    until("both refusals on record", Duration::from_secs(20), || {
        (monitor.refusals().len() == 2).then_some(())
    });

    let mut made: Vec<(std::time::SystemTime, String)> = Vec::new();
    made.extend(
        monitor
            .records()
            .into_iter()
            .map(|record| (record.reserved, format!("repair {}", record.event))),
    );
    made.extend(
        monitor
            .refusals()
            .into_iter()
            .map(|refusal| (refusal.at, refusal.reason.as_str().to_owned())),
    );
    made.sort();
    let made: Vec<String> = made.into_iter().map(|(_, what)| what).collect();
    assert_eq!(made, ["repair CRITICAL;SOFT;3", "cooling-down", "cooling-down"]);

    let log = nagios.log.clone();
    let replay = |words: &[&str]| -> Vec<Value> {
        let mut command = Command::new(place.program("repairctl"));
        command
            .arg("replay")
            .arg(&log)
            .args(["--decisions", "--json", "--takes", "0s"])
            .args(words);
        command
            .arg("--policy")
            .arg(&monitor.policy)
            .arg("--objects")
            .arg(place.at("monitor/nagios/nagios.cfg"));
        run(&mut command).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // In this log the repair did heal the service, so both assumptions give the same result.
    for assume in ["log", "heals"] {
        let mut lines = replay(&["--assume", assume]);
        let sum = lines.pop().unwrap();
        let replayed: Vec<String> = lines
            .iter()
            .map(|line| match line["decision"].as_str().unwrap() {
                "repair" => format!("repair {}", line["event"].as_str().unwrap()),
                _ => line["reason"].as_str().unwrap().to_owned(),
            })
            .collect();
        assert_eq!(replayed, made, "{assume}");
        assert_eq!(
            (&sum["healed"], &sum["repairs"], &sum["notifications"]),
            (&json!(1), &json!(1), &json!(1)),
            "{sum:#}"
        );
    }
}

/// The lab's Nagios does not retain states across restarts, because each test starts from scratch.
/// Lint must report this and nothing else.
#[test]
fn lint_reports_only_missing_retention_of_lab() {
    let lab = Lab::new();
    let (place, monitor) = (&lab.place, &lab.monitor);
    let _nagios = lab.nagios(&Watch::default());
    let mut lint = Command::new(place.program("repairctl"));
    lint.arg("lint")
        .arg(place.at("monitor/nagios/nagios.cfg"))
        .args(["--json", "--policy"])
        .arg(&monitor.policy);
    let output = lint.output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();

    assert_eq!(codes, ["no-retention"], "{found:#}");
    assert_eq!(found["services"], 1);
}
