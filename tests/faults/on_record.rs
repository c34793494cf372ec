//! Tests of the records that a running or dead worker has written. From these records, the next
//! worker must learn which rungs may have run.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::{run, until};
use ledger::{Claim, Paused, Record, RepairOutcome, RungStart, StepKind};
use policy::{Decision, Event, ObjectState, Policy, StateType};
use rusqlite::Connection;
use serde_json::json;

use crate::bed::{Bed, CALL, Seen};

const DEAD: &str = "dead-worker-1";

/// A step that a dead worker has recorded: the start of a rung, with the gate at which it runs, or
/// the end of a rung.
enum DeadStep {
    Begun(u32, Option<&'static str>),
    Ran(u32),
}

/// Pretends that a worker reserved a repair `ago` before now, recorded these steps and died. Then
/// calls the handler and returns the resulting record.
fn after_a_dead_worker(bed: &Bed, ago: Duration, steps: &[DeadStep]) -> Record {
    let (job, event) = (
        DEAD.parse().unwrap(),
        Event::new("web1", Some("HTTP"), ObjectState::Critical, StateType::Hard, 4),
    );
    let span = Duration::from_secs(600);
    let claim = Claim {
        job: &job,
        event: &event,
        lease: span,
        horizon: Policy::default().horizon(&event),
        observed: None,
    };
    let then = SystemTime::now() - ago;
    bed.monitor.write(|ledger| {
        ledger
            .reserve(&claim, &|| then, &|_| Decision::Repair("httpd".parse().unwrap()))
            .unwrap()
            .unwrap();
        for step in steps {
            match step {
                DeadStep::Begun(number, gate) => {
                    let rung = RungStart { number: *number, gate: *gate, deadline: then + span };
                    ledger.begin_rung(&job, then, &rung, "").unwrap();
                }
                DeadStep::Ran(number) => {
                    ledger.step(&job, then, StepKind::Ran, Some(*number), "").unwrap();
                }
            }
        }
    });
    bed.call(CALL);
    bed.monitor.records().into_iter().find(|record| record.job == DEAD).unwrap()
}

/// The gate reports that the second rung never started. The outcome is still unknown, because the
/// first rung has run.
#[test]
fn records_unknown_outcome_for_worker_killed_between_rungs() {
    let bed = Bed::new();
    bed.policy(|policy| {
        policy["repairs"]["httpd"]["ladder"] = json!([{"local": ["/bin/true"]}, {"ssh": "httpd"}])
    });
    let steps = [DeadStep::Begun(1, None), DeadStep::Ran(1), DeadStep::Begun(2, Some("web1"))];
    let record = after_a_dead_worker(&bed, Duration::from_secs(60), &steps);
    assert_eq!(record.outcome, Some(RepairOutcome::Unknown), "{}", record.text);
    assert!(record.text.contains("the gate reports that the job never started"), "{}", record.text);
}

/// The worker must query the gate that is recorded for the rung. The host's own gate would
/// truthfully answer that it does not know the job.
#[test]
fn queries_recorded_gate_after_the_ladder_changes() {
    let bed = Bed::new();
    // The rung's deadline, 600 seconds after its start, has passed.
    let steps = [DeadStep::Begun(1, Some("hypervisor1"))];
    let record = after_a_dead_worker(&bed, Duration::from_secs(601), &steps);
    assert_eq!(record.outcome, Some(RepairOutcome::Unknown), "{}", record.text);
    assert!(record.text.contains("the gate cannot be queried: "), "{}", record.text);
}

#[test]
fn keeps_host_locked_until_deadline_if_gate_is_unreachable() {
    let mut bed = Bed::new();
    bed.web.sshd.stop();
    let steps = [DeadStep::Begun(1, Some("web1"))];
    let record = after_a_dead_worker(&bed, Duration::from_secs(60), &steps);
    assert_eq!(record.outcome, None, "{}", record.text);
    let seen = bed.call(CALL);
    assert!(seen.text.contains("is already running on this host"), "{}", seen.text);
}

/// sshd needs a second to start the gate. Within this second, the worker is killed together with
/// Nagios, and Nagios is started again. The next worker must wait for the gate's answer.
#[test]
fn waits_for_gate_that_starts_slowly() {
    let bed = Bed::new();
    let record = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(1));
            let account = bed.web.account.name;
            let mut gate = Command::new("setpriv");
            gate.args([
                "--reuid",
                account,
                "--regid",
                account,
                "--init-groups",
                "/bin/sh",
                "-c",
                &bed.web.gate_command(),
            ]);
            run(gate.env("SSH_ORIGINAL_COMMAND", format!("repair httpd {DEAD}-1")));
        });
        after_a_dead_worker(&bed, Duration::ZERO, &[DeadStep::Begun(1, Some("web1"))])
    });
    assert_eq!(record.outcome, Some(RepairOutcome::Unknown), "{}", record.text);
    assert!(
        record.text.contains("the gate reports: repair 'httpd' ended with exit 0"),
        "{}",
        record.text
    );
}

/// Calls the handler, and runs `meanwhile` while the gate is collecting evidence.
fn call_during_diagnosis(bed: &Bed, meanwhile: impl FnOnce()) -> Seen {
    let (looks, go) = (bed.mark.with_file_name("looks"), bed.mark.with_file_name("go"));
    let look =
        format!("touch {}; until [ -e {} ]; do sleep 0.05; done", looks.display(), go.display());
    let touch = ["/usr/bin/touch", bed.mark.to_str().unwrap()];
    let repair = json!({"run": touch, "cooldown": "1s", "diagnose": [["/bin/sh", "-c", look]]});
    bed.web.write_repairs(&json!({"repairs": {"httpd": repair}}));
    bed.policy(|policy| {
        policy["repairs"]["httpd"]["timeout"] = json!("60s");
        policy["repairs"]["httpd"]["cooldown"] = json!("0s");
    });
    thread::scope(|scope| {
        let call = scope.spawn(|| bed.call(CALL));
        until("the gate at its diagnosis", Duration::from_secs(60), || {
            looks.exists().then_some(())
        });
        meanwhile();
        fs::write(&go, "").unwrap();
        call.join().unwrap()
    })
}

/// Simulates a disk that becomes full after the repair has been reserved. A rung that the worker
/// cannot record must not run.
#[test]
fn skips_rung_that_cannot_be_recorded() {
    let bed = Bed::new();
    let store = |sql: &str| {
        bed.monitor
            .nagios
            .does(|| Connection::open(&bed.monitor.ledger).unwrap().execute_batch(sql).unwrap())
    };
    let full = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    let seen = call_during_diagnosis(&bed, || {
        store(&format!(
            "CREATE TRIGGER a BEFORE INSERT ON step {full}; CREATE TRIGGER b BEFORE UPDATE ON \
             repair {full}"
        ));
    });
    assert_eq!(seen.code, 2, "{}", seen.text);
    assert!(
        seen.text
            .starts_with("COULD NOT REPAIR web1/HTTP with httpd: rung 1 of 1 cannot be recorded"),
        "{}",
        seen.text
    );
    assert!(!bed.mark.exists(), "the repair was run");
    store("DROP TRIGGER a; DROP TRIGGER b");
    bed.wait_for_the_gates_cooldown();
    assert_eq!(bed.call(CALL).code, 0);
    let outcomes: Vec<_> = bed.monitor.records().into_iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Some(RepairOutcome::Healed), Some(RepairOutcome::CouldNotRun)]);
}

#[test]
fn pause_stops_reserved_repair_before_first_rung() {
    let bed = Bed::new();
    let seen = call_during_diagnosis(&bed, || {
        let (by, reason) = ("alice".into(), "migration".into());
        let pause =
            Paused { host: None, service: None, by, reason, since: SystemTime::now(), until: None };
        bed.monitor.write(|ledger| ledger.pause(&pause).unwrap());
    });
    assert!(
        seen.text.starts_with("NO ACTION") && seen.text.contains("paused by alice"),
        "{}",
        seen.text
    );
    assert!(!bed.mark.exists(), "the repair was run");
}
