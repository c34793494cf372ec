//! Sends SIGKILL to each program that takes part in a repair, at points spread over the whole
//! repair. Afterwards, the ledger must be consistent, no call may have run its repair twice, and
//! the next call must succeed.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use e2e::until;
use ledger::RepairOutcome;
use serde_json::json;

use crate::bed::{Bed, CALL};

/// Times at which a program is killed, in milliseconds after the call. At the first times, the
/// worker has not opened the ledger yet. At the last ones, the check has ended. The repair itself
/// takes 200 ms.
const MOMENTS: [u64; 8] = [0, 10, 30, 70, 130, 200, 280, 400];

/// Creates a lab whose repair takes 200 ms and writes a line when it starts and when it ends.
pub fn counting_bed() -> Bed {
    let bed = Bed::new();
    let script = format!("echo begun >> {0}; sleep 0.2; echo ended >> {0}", bed.mark.display());
    bed.web.write_repairs(&json!({"repairs": {"httpd": {"run": ["/bin/sh", "-c", script], "timeout": "5s", "cooldown": "0s"}}}));
    bed.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("0s"));
    bed
}

/// Returns how many times the repair was run.
pub fn times_run(bed: &Bed) -> usize {
    fs::read_to_string(&bed.mark)
        .unwrap_or_default()
        .lines()
        .filter(|line| *line == "begun")
        .count()
}

/// For each time in `MOMENTS`, calls the handler in the background, calls `kill` when that time has
/// passed, and checks the result.
fn kill_at_every_moment(bed: &Bed, kill: impl Fn()) {
    // A call whose worker was killed stays in the queue. The worker of the next background call
    // then runs the repairs of both calls.
    let mut waiting = 0;
    for moment in MOMENTS {
        let before = times_run(bed);
        bed.call(&CALL.replace(" --foreground", ""));
        thread::sleep(Duration::from_millis(moment));
        kill();
        // Wait until no gate is running. A gate finishes the repair that it has started.
        thread::sleep(Duration::from_millis(700));
        until("the end of the gate", Duration::from_secs(60), || {
            (!works(&bed.web.gate_command())).then_some(())
        });
        let ran = times_run(bed) - before;
        waiting += 1;
        assert!(ran <= waiting, "{ran} repairs for {waiting} calls, killed after {moment} ms");
        waiting -= ran;

        // The host must not stay locked for long, so that a later call can repair it.
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
        "a repair is recorded as still running: {records:?}"
    );
    let healed =
        records.iter().filter(|record| record.outcome == Some(RepairOutcome::Healed)).count();
    assert!(
        healed >= MOMENTS.len(),
        "only {healed} repairs are recorded as healed, fewer than the {} kills",
        MOMENTS.len()
    );
}

/// Kills all processes that belong to `user` and have `text` in their command line, if any exist.
fn pkill(user: &str, text: &str) {
    signal("-KILL", user, text);
}

/// Whether there is a process with a command line that starts with `text`.
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
fn recovers_from_killed_worker_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || pkill("nagios", bed.monitor.policy.to_str().unwrap()));
}

#[test]
fn recovers_from_terminated_worker_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || signal("-TERM", "nagios", bed.monitor.policy.to_str().unwrap()));
}

#[test]
fn recovers_from_killed_gate_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || {
        pkill(bed.web.account.name, &format!("^{}", bed.web.gate_command()))
    });
}

#[test]
fn recovers_from_killed_connection_at_every_moment() {
    let bed = counting_bed();
    kill_at_every_moment(&bed, || bed.web.sshd.kill_sessions());
}
