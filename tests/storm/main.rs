//! Tests thousands of simultaneous handler calls while workers are killed. The number of workers
//! and their memory must stay bounded, and every call must lead to exactly one recorded repair or
//! refusal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use e2e::{Lab, Monitor, Watcher, run_at_once, until};
use ledger::{Filter, Ledger};
use serde_json::json;

/// How many times the test calls the handler.
const CALLS: usize = 3_000;
/// The highest and the lowest number of workers that the test may kill. It kills about ten per
/// second, so on a fast machine, the calls end before it reaches the highest number.
const MOST_KILLS: usize = 40;
const LEAST_KILLS: usize = 10;
/// The limits in the design: the number of simultaneous workers, and their total memory in KiB.
const MOST_WORKERS: usize = 64;
const MOST_MEMORY: u64 = 200 << 10;

#[test]
fn answers_every_call_with_few_workers_although_some_are_killed() {
    let Lab { monitor, place, .. } = Lab::new();
    write_policy(&monitor);
    let (calls, seen) = Watcher::watch(place.path(), MOST_KILLS, || {
        let outputs = run_at_once(0..CALLS, |number| call(&monitor, number));
        outputs.iter().for_each(|(output, _)| check(output));
        // Keep calling the handler, because a call whose worker was killed stays queued until the
        // next call.
        let mut calls = CALLS;
        until("an answer to every call", Duration::from_secs(300), || {
            check(&call(&monitor, calls).output().unwrap());
            calls += 1;
            thread::sleep(Duration::from_secs(1));
            (on_record(&monitor).len() >= calls).then_some(())
        });
        calls
    });
    let recorded = on_record(&monitor);
    let hosts: BTreeSet<String> = (0..calls).map(host).collect();
    assert_eq!(recorded.len(), calls, "calls are lost, or were answered twice");
    assert_eq!(recorded.into_iter().collect::<BTreeSet<_>>(), hosts);
    assert!(seen.workers <= MOST_WORKERS, "{seen:?}");
    assert!(seen.memory <= MOST_MEMORY, "{seen:?}");
    assert!(seen.workers > 1 && seen.kills >= LEAST_KILLS, "{seen:?}");
}

/// Writes a policy under which only five repairs can run at the same time, so most calls are
/// refused.
fn write_policy(monitor: &Monitor) {
    monitor.write_policy(&json!({
        "ledger": monitor.ledger,
        "fleet": {"running": 5, "started": {"count": 100_000, "per": "1h"}},
        "repairs": {"here": {
            "ladder": [{"local": ["/bin/sleep", "0.1"]}],
            "verify": ["/bin/true"], "settle": "0s", "cooldown": "0s",
        }},
    }));
}

fn host(number: usize) -> String {
    format!("web{number}")
}

/// Returns the handler's call for a fault on host number `number`.
fn call(monitor: &Monitor, number: usize) -> Command {
    let mut command = monitor.as_nagios(&monitor.handler);
    command.args(["CRITICAL", "HARD", "4", "--repair", "here", "--service", "HTTP"]);
    command.arg(format!("--host={}", host(number))).arg(format!("--problem-id={}", number + 1));
    command.arg("--policy").arg(&monitor.policy);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn check(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.starts_with("DISPATCHED"), "{text}");
}

/// Returns the host of every recorded repair and refusal.
fn on_record(monitor: &Monitor) -> Vec<String> {
    let read = |ledger: &mut dyn Ledger| {
        let repairs = ledger.repairs(&Filter::default()).unwrap().into_iter();
        let refusals = ledger.refused(&Filter::default()).unwrap().into_iter();
        repairs.map(|one| one.host).chain(refusals.map(|one| one.host)).collect()
    };
    monitor.read(read).unwrap_or_default()
}
