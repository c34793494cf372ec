//! The kill matrix: each program that takes part is killed with SIGKILL, at moments spread over the
//! whole repair. Afterwards the ledger is consistent, no call has run its repair twice, and the
//! next call is handled.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use e2e::until;
use ledger::RepairOutcome;
use serde_json::json;

use crate::bed::{Bed, CALL};

/// From before the ledger is opened to after the check: the repair itself takes a fifth of a
/// second.
const MOMENTS: [u64; 8] = [0, 10, 30, 70, 130, 200, 280, 400];

/// A repair that takes a while and leaves a line for each time it was run.
pub fn counting_bed() -> Bed {
    let bed = Bed::new();
    let script = format!("echo begun >> {0}; sleep 0.2; echo ended >> {0}", bed.mark.display());
    bed.web.write_repairs(&json!({"repairs": {"httpd": {"run": ["/bin/sh", "-c", script], "timeout": "5s", "cooldown": "0s"}}}));
    bed.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("0s"));
    bed
}

/// How often it was run.
pub fn times_run(bed: &Bed) -> usize {
    fs::read_to_string(&bed.mark)
        .unwrap_or_default()
        .lines()
        .filter(|line| *line == "begun")
        .count()
}

/// Calls in the background, kills whatever matches after each of the moments, and looks at what is
/// left.
fn kill_at_every_moment(bed: &Bed, kill: impl Fn()) {
    for moment in MOMENTS {
        let before = times_run(bed);
        bed.call(&CALL.replace(" --foreground", ""));
        thread::sleep(Duration::from_millis(moment));
        kill();
        // Whatever was under way at the gate ends by itself: its lock is free again, or it is over.
        thread::sleep(Duration::from_millis(700));
        until("the end of the gate", Duration::from_secs(60), || {
            (!works(&bed.web.gate_command())).then_some(())
        });
        let ran = times_run(bed) - before;
        assert!(ran <= 1, "{ran} repairs for one call, killed after {moment} ms");

        // Nobody is locked out for long: the next call repairs.
        let next = until("a call that repairs", Duration::from_secs(30), || {
            let seen = bed.call(CALL);
            let repaired = seen.text.starts_with("REPAIRED web1/HTTP");
            assert!(
                repaired
                    || ["NO ACTION", "COULD NOT", "OUTCOME UNKNOWN"]
                        .iter()
                        .any(|word| seen.text.starts_with(word)),
                "{}",
                seen.text
            );
            repaired.then_some(seen.code)
        });
        assert_eq!(next, 0);
    }
    let records = bed.monitor.records();
    assert!(
        records.iter().all(|record| record.outcome.is_some()),
        "a repair is still running by the record: {records:?}"
    );
    let healed =
        records.iter().filter(|record| record.outcome == Some(RepairOutcome::Healed)).count();
    assert!(
        healed >= MOMENTS.len(),
        "{healed} repairs healed, of {} that were asked for last",
        MOMENTS.len()
    );
}

/// Kills all processes of a user whose command line holds `text`; there may be none.
fn pkill(user: &str, text: &str) {
    signal("-KILL", user, text);
}

/// Whether a command line begins with that.
fn works(text: &str) -> bool {
    Command::new("pgrep")
        .args(["-f", &format!("^{text}")])
        .output()
        .is_ok_and(|found| found.status.success())
}

fn signal(signal: &str, user: &str, text: &str) {
    let _ = Command::new("pkill").args([signal, "-u", user, "-f", text]).status();
}

#[test]
fn the_worker_is_killed_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || pkill("nagios", bed.monitor.policy.to_str().unwrap()));
}

#[test]
fn the_worker_is_asked_to_end_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || signal("-TERM", "nagios", bed.monitor.policy.to_str().unwrap()));
}

#[test]
fn the_gate_is_killed_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || {
        pkill(bed.web.account.name, &format!("^{}", bed.web.gate_command()))
    });
}

#[test]
fn the_connection_is_killed_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || bed.web.sshd.kill_sessions());
}
