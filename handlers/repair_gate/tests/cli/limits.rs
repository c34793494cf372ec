//! Tests that the limits apply to each repair separately. A client with the key can exhaust the
//! budget, the cooldown and the records of one repair, and the gate still runs another repair.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::SystemTime;

use crate::common::{GateLab, GateResult, JOB};
use crate::jobs::other;
use serde_json::{Value, json};

const HOUR: u64 = 3_600_000;
/// Maximum number of records that the gate keeps for one repair.
const MOST: usize = 1000;

/// Returns a host with the repairs `x` and `y`. The tests request `x` until the gate
/// refuses it. The argument holds additional fields for `x` in repairs.json.
fn two_names(x: &Value) -> GateLab {
    let lab = GateLab::new();
    let unlimited = json!({"run": ["/bin/true"], "cooldown": "0s"});
    let mut repairs = json!({"x": unlimited, "y": unlimited});
    for (key, value) in x.as_object().unwrap() {
        repairs["x"][key] = value.clone();
    }
    lab.repairs(&repairs);
    lab
}

fn millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis())
        .unwrap()
}

/// Writes `count` records of `name` that started `ago` milliseconds ago, in exactly the format and
/// the directory that older gates used.
fn old_records(lab: &GateLab, name: &str, count: usize, ago: u64) {
    lab.repair(JOB);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for n in 0..count {
        let started = millis() - ago;
        let text = format!(
            "{{\"boot\":\"{}\",\"deadline\":{},\"ended\":{},\"exit\":0,\
             \"job\":\"old-{name}-{n:06}\",\"output\":[\"hi\"],\"pid\":8589,\
             \"repair\":\"{name}\",\"seconds\":0.003,\"signal\":null,\
             \"started\":{started},\"state\":\"done\"}}\n",
            boot.trim(),
            started + 75_000,
            started + 3,
        );
        fs::write(lab.state().join(format!("jobs/old-{name}-{n:06}.json")), text).unwrap();
        lab.chmod(&format!("state/jobs/old-{name}-{n:06}.json"), 0o600);
    }
}

/// Returns the entry for `name` in the answer to `usage`.
fn usage(lab: &GateLab, name: &str) -> Value {
    let all = lab.request("usage");
    assert_eq!(all.code, 0, "{}", all.json);
    all.json["repairs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|used| used["repair"] == json!(name))
        .unwrap()
        .clone()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn flood_of_one_name_does_not_block_another() {
    let lab = two_names(&json!({}));
    // `old_records` writes 899 records and runs `x` once, so there are 900 of 1,000 records. Then
    // request 300 more runs.
    old_records(&lab, "x", 899, HOUR);
    let answers: Vec<GateResult> = (0..300).map(|n| lab.repair(&other(n))).collect();
    let done = answers.iter().take_while(|answer| answer.json["state"] == json!("done")).count();
    assert_eq!(done, 100);
    for refused in &answers[done..] {
        assert!(
            refused.refused("state").contains("x has used all its 1000 records"),
            "{}",
            refused.json
        );
    }
    let mut records = files_below(&lab.state().join("jobs"));
    records.retain(|path| path.extension().is_some_and(|end| end == "json"));
    assert_eq!(records.len(), MOST);
    assert!(records.iter().map(|path| path.metadata().unwrap().len()).sum::<u64>() < 300 * 1024);

    assert_eq!(lab.request("ready y").text("answer"), "ready");
    lab.request("repair y 20261123-of-y-0001").is("done");
    let full = lab.request("ready x");
    full.refused("state");
    assert!(
        (80_000..=86_400).contains(&full.json["retry_after"].as_u64().unwrap()),
        "{}",
        full.json
    );
    // The first of these jobs is still known and is not run again.
    lab.repair(&other(0)).is("done");
    lab.repair(&other(301)).refused("state");
}

/// A refusal must not take the host's lock. Otherwise a flood of refused requests could hold the
/// lock all the time, and no other repair could run.
#[test]
fn refuses_requests_over_budget_without_the_lock() {
    let lab = two_names(&json!({"budget": {"count": 1, "window": "1h"}}));
    lab.repair(JOB).is("done");
    let lock = File::open(lab.state().join("lock")).unwrap();
    lock.lock().unwrap();
    for n in 0..100 {
        lab.repair(&other(n)).refused("budget");
    }
    drop(lock);
    lab.request("repair y 20261123-of-y-0001").is("done");
}

#[test]
fn refusals_write_nothing() {
    let lab = two_names(&json!({"budget": {"count": 1, "window": "1h"}}));
    lab.repair(JOB).is("done");
    // Add an expired record. A refusal must not remove it.
    old_records(&lab, "x", 1, 25 * HOUR);
    let before = lab.state_files();
    let modified =
        |lab: &GateLab| fs::metadata(lab.state().join("jobs")).unwrap().modified().unwrap();
    let since = modified(&lab);
    for n in 0..100 {
        lab.repair(&other(n)).refused("budget");
    }
    assert_eq!((lab.state_files(), modified(&lab)), (before, since));
}

#[test]
fn ready_and_usage_report_used_up_limits_and_when_they_end() {
    let lab = two_names(&json!({"budget": {"count": 1, "window": "1h"}}));
    assert_eq!(lab.request("ready x").text("answer"), "ready");
    assert_eq!(
        usage(&lab, "x"),
        json!({"repair": "x", "records": 0, "most": 1000, "room_in": null, "obstacle": null})
    );
    lab.repair(JOB).is("done");
    let ready = lab.request("ready x");
    ready.refused("budget");
    assert!((3590..=3600).contains(&ready.json["retry_after"].as_u64().unwrap()));
    let x = usage(&lab, "x");
    assert_eq!((&x["records"], &x["obstacle"]["reason"]), (&json!(1), &json!("budget")));
    assert!((3590..=3600).contains(&x["obstacle"]["retry_after"].as_u64().unwrap()), "{x}");
    assert!((86_000..=86_400).contains(&x["room_in"].as_u64().unwrap()), "{x}");

    assert_eq!(
        (lab.request("ready y").text("answer"), &usage(&lab, "y")["obstacle"]),
        ("ready", &json!(null))
    );
    fs::write(lab.path("etc/hold"), "").unwrap();
    assert_eq!(usage(&lab, "y")["obstacle"]["reason"], json!("held"));

    let lab = two_names(&json!({"cooldown": "1h"}));
    lab.repair(JOB).is("done");
    let ready = lab.request("ready x");
    ready.refused("cooldown");
    assert!((3590..=3600).contains(&ready.json["retry_after"].as_u64().unwrap()));
    assert_eq!(usage(&lab, "x")["obstacle"]["reason"], json!("cooldown"));
}

#[test]
fn ready_and_usage_report_a_running_repair() {
    let lab =
        GateLab::with("until [ -e \"$1/go\" ]; do sleep 0.02; done", &json!({"timeout": "20s"}));
    let gate: Child = lab.spawn(&format!("repair x {JOB}"));
    crate::common::wait_until("the repair runs", || lab.record_path(JOB).exists());
    let ready = lab.request("ready x");
    assert!(ready.refused("busy").contains(&format!("x (job {JOB}) is running")));
    assert_eq!(
        (&ready.json["running"], &usage(&lab, "x")["obstacle"]["reason"]),
        (&json!(JOB), &json!("busy"))
    );
    fs::write(lab.path("go"), "").unwrap();
    GateResult::of(&gate.wait_with_output().unwrap()).is("done");
    assert_eq!(lab.request("ready x").text("answer"), "ready");
}

/// The answers to `ready` must have exactly these fields, because an older server refuses an answer
/// with a field that it does not know.
#[test]
fn older_servers_understand_answers_to_ready() {
    let lab = two_names(&json!({"budget": {"count": 1, "window": "1h"}}));
    let keys =
        |answer: &GateResult| answer.json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&lab.request("ready x")), ["answer", "host", "repair", "time"]);
    lab.repair(JOB).is("done");
    assert_eq!(keys(&lab.request("ready x")), ["answer", "host", "reason", "retry_after", "text"]);
}

#[test]
fn records_of_older_gates_still_count() {
    // The three old records are not filed yet, but count toward the budget of `x`, which is three.
    let lab = two_names(&json!({"budget": {"count": 3, "window": "2h"}}));
    old_records(&lab, "x", 3, HOUR);
    lab.repair(&other(1)).refused("budget");
    lab.request("ready x").refused("budget");
    lab.request("status old-x-000000").is("done");
    // Before the next repair runs, the gate moves these records to `jobs/x`. They still count.
    lab.request("repair y 20261123-of-y-0001").is("done");
    assert!(lab.state().join("jobs/x/old-x-000002.json").exists());
    lab.repair(&other(1)).refused("budget");
    let known = lab.repair("old-x-000000");
    assert_eq!((known.is("done").output().as_str(), known.code), ("hi", 0));
    lab.request("repair y old-x-000000").refused("bad-request");

    // After a flood of requests for `x`, other repairs still run, and expired records are removed.
    let lab = two_names(&json!({}));
    old_records(&lab, "x", 4095, 23 * HOUR);
    old_records(&lab, "gone", 50, 25 * HOUR);
    lab.repair(&other(1)).refused("state");
    lab.request("repair y 20261123-of-y-0001").is("done");
    assert!(lab.repair(&other(1)).refused("state").contains("so it can run again only in"));
    let gone = fs::read_dir(lab.state().join("jobs/gone")).unwrap();
    let names: Vec<_> = gone.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["index"]);
}

#[test]
fn repair_lost_before_the_upgrade_still_blocks_every_name() {
    let lab = two_names(&json!({}));
    old_records(&lab, "x", 1, 1000);
    lab.edit_record("old-x-000000", |record| {
        record["state"] = json!("running");
        record["ended"] = json!(null);
    });
    lab.request("repair y 20261123-of-y-0001").refused("busy");
    lab.request("ready y").refused("busy");
}

#[test]
fn lost_repair_blocks_every_name_again_when_clock_goes_back() {
    let lab = two_names(&json!({}));
    lab.repair(JOB).is("done");
    lab.edit_record(JOB, |record| {
        record["state"] = json!("running");
        record["ended"] = json!(null);
        record["deadline"] = record["started"].clone();
    });
    lab.request("repair y 20261123-of-y-0001").is("done");
    lab.edit_record(JOB, |record| record["deadline"] = json!(millis() + HOUR));
    lab.request("repair y 20261123-of-y-0002").refused("busy");
}

/// If the clock is set back, records in the future must still count, even if they are filed.
#[test]
fn setting_the_clock_back_frees_no_record() {
    let lab = two_names(&json!({"budget": {"count": 1, "window": "1h"}}));
    lab.repair(JOB).is("done");
    lab.request("repair y 20261123-of-y-0001").is("done");
    lab.edit_record(JOB, |record| {
        for key in ["started", "ended", "deadline"] {
            record[key] = json!(record[key].as_u64().unwrap() + 48 * HOUR);
        }
    });
    assert!(lab.state().join(format!("jobs/x/{JOB}.json")).exists());
    assert!(lab.repair(&other(1)).refused("cooldown").contains("the clock was set back"));
    assert_eq!(usage(&lab, "x")["records"], json!(1));
}

/// Returns the paths below `jobs` that the gate opens for this request.
fn opened(lab: &GateLab, request: &str) -> Vec<String> {
    let traced = lab.path("strace");
    assert!(traced_gate(lab, request).output().unwrap().status.code().is_some());
    opened_paths(&traced)
}

fn traced_gate(lab: &GateLab, request: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-qq", "-f", "-e", "trace=open,openat", "-o"]).arg(lab.path("strace"));
    command.arg(crate::common::GATE).arg("--config").arg(lab.config());
    command.arg("--state").arg(lab.state()).env("SSH_ORIGINAL_COMMAND", request);
    command
}

fn opened_paths(traced: &Path) -> Vec<String> {
    let calls = fs::read_to_string(traced).unwrap();
    let path = |line: &str| line.split_once("/jobs").map(|(_, path)| path.to_owned());
    calls.lines().filter_map(path).collect()
}

/// Counts system calls instead of measuring time, because time depends on the machine.
#[test]
fn request_opens_the_same_files_with_few_and_with_many_records() {
    let counts = |records: usize| {
        let lab = two_names(&json!({"budget": {"count": 1000, "window": "1h"}}));
        old_records(&lab, "x", records, HOUR / 2);
        old_records(&lab, "z", records, HOUR / 2);
        lab.request("repair y 20261123-of-y-0001").is("done");
        // Run `x` once before counting, because at the first run of a repair the gate may read all
        // of its records.
        lab.repair(&other(1));
        let requests = ["ready x", "ready y", "usage", "status 20261123-never"];
        let mut counts: Vec<usize> =
            requests.iter().map(|request| opened(&lab, request).len()).collect();
        counts.push(opened(&lab, "repair y 20261123-of-y-0002").len());
        counts.push(opened(&lab, &format!("repair x {}", other(2))).len());
        counts
    };
    let (few, many) = (counts(3), counts(MOST - 10));
    assert_eq!(few, many);
    assert!(few.iter().all(|count| *count < 40), "{few:?}");
}

#[test]
fn reads_each_record_once_while_it_waits_for_the_lock() {
    let lab = two_names(&json!({}));
    old_records(&lab, "x", 50, HOUR);
    let lock = File::open(lab.state().join("lock")).unwrap();
    lock.lock().unwrap();
    let mut gate = traced_gate(&lab, "repair y 20261123-of-y-0001").spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    drop(lock);
    assert!(gate.wait().unwrap().success());
    let records =
        opened_paths(&lab.path("strace")).iter().filter(|path| path.contains("/old-x-")).count();
    // Each record is read five times: before the lock is requested, during the wait, with the lock
    // held, when it is filed and when it is indexed.
    assert_eq!(records, 5 * 50);
}
