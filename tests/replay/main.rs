//! `repairctl replay` on the log of a real run: the decisions that were really made, as the ledger
//! holds them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use e2e::{Lab, Watch, run, until};
use serde_json::{Value, json};

/// Healed once; the fault is relapsed and the cooldown holds, at SOFT 3 and at HARD.
#[test]
fn a_real_log_gives_the_decisions_that_were_made() {
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
    // Whether the repair is taken to heal, or the log is asked how it ended: here it did heal.
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

/// The lab has one thing that no site should have: it forgets its state, for each test begins anew.
#[test]
fn lint_finds_the_lab_itself_good_but_for_what_it_leaves_out() {
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
    // The lab counts in seconds, and only its web server is worth a host check.
    assert_eq!(codes, ["no-retention"], "{found:#}");
    assert_eq!(found["services"], 1);
}
