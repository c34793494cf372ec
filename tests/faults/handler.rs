//! Kills handle_repair at many points during the few milliseconds for which it runs, before and
//! after it has started the worker. Afterwards, the repair must not have run at all, or one worker
//! must have completed it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use e2e::until;
use ledger::RepairOutcome;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::bed::{Bed, CALL};
use crate::kills::{counting_bed, times_run};

/// Number of points at which to kill the handler. They range from the start of its process to
/// shortly after its end.
const MOMENTS: u32 = 16;

fn background(bed: &Bed, policy: &Path) -> Command {
    let mut command = bed.monitor.as_nagios(&bed.monitor.handler);
    command.args(CALL.replace(" --foreground", "").split_whitespace()).arg("--policy").arg(policy);
    // Nagios starts the handler as the leader of a process group and kills the whole group. Do the
    // same here.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn no_worker(bed: &Bed) {
    let ours = format!("repair_worker.*{}", bed.monitor.policy.display());
    let works = || {
        Command::new("pgrep").args(["-u", "nagios", "-f", &ours]).output().unwrap().status.success()
    };
    until("the worker's end", Duration::from_secs(30), || (!works()).then_some(()));
}

fn signal_at_every_moment(signal: Signal) {
    let bed = counting_bed();
    let begun = Instant::now();
    assert!(background(&bed, &bed.monitor.policy).status().unwrap().success());
    let whole = begun.elapsed();
    no_worker(&bed);
    // A handler that is killed before it starts a worker can leave its call in the queue. The
    // worker of the next call then runs the repairs of both calls.
    let (mut started, mut moment, mut waiting) = (0, 0, 0);
    // On a busy machine, the handler may start its worker later than in the first run. Kill
    // handlers at ever later points until one of them has started a worker.
    while moment <= MOMENTS || started == 0 {
        let (ran, known) = (times_run(&bed), bed.monitor.records().len());
        let mut handler = background(&bed, &bed.monitor.policy).spawn().unwrap();
        thread::sleep(whole * moment * 5 / (MOMENTS * 4));
        let group = Pid::from_raw(i32::try_from(handler.id()).unwrap()).unwrap();
        // Ignore the error if the handler has already exited.
        let _ = kill_process_group(group, signal);
        handler.wait().unwrap();
        no_worker(&bed);
        let (ran, new) = (times_run(&bed) - ran, bed.monitor.records().len() - known);
        waiting += 1;
        let story = format!("{ran} repairs and {new} records after moment {moment}");
        assert!(ran == new && new <= waiting, "{story}, {waiting} calls waiting");
        waiting -= new;
        started += new;
        moment += 1;
    }
    assert!(started < moment as usize, "every kill came after the worker had been started");
    let next = bed.call(CALL);
    assert!(next.text.starts_with("REPAIRED web1/HTTP"), "{}", next.text);
    let records = bed.monitor.records();
    assert!(
        records.iter().all(|record| record.outcome == Some(RepairOutcome::Healed)),
        "{records:?}"
    );
    assert_eq!(
        (records.len(), bed.web.jobs().len()),
        (times_run(&bed), times_run(&bed)),
        "the gate's own records"
    );
}

#[test]
fn runs_at_most_one_repair_when_handler_is_killed() {
    signal_at_every_moment(Signal::KILL);
}

#[test]
fn runs_at_most_one_repair_when_handler_is_terminated() {
    signal_at_every_moment(Signal::TERM);
}

/// Kills the handler while it is still reading its policy from a pipe, so it has not started a
/// worker yet.
#[test]
fn handler_killed_before_decision_leaves_nothing() {
    let bed = counting_bed();
    for signal in [Signal::KILL, Signal::TERM] {
        // The policy is a pipe to which the test writes nothing, so the handler keeps waiting.
        let mut handler =
            background(&bed, Path::new("/dev/stdin")).stdin(Stdio::piped()).spawn().unwrap();
        thread::sleep(Duration::from_millis(200));
        assert!(handler.try_wait().unwrap().is_none(), "the handler did not wait for its policy");
        kill_process_group(Pid::from_raw(i32::try_from(handler.id()).unwrap()).unwrap(), signal)
            .unwrap();
        assert!(!handler.wait().unwrap().success());
        assert!(!bed.monitor.ledger.exists() && times_run(&bed) == 0 && bed.web.jobs().is_empty());
    }
    assert_eq!(bed.call(CALL).code, 0);
}
