//! What stands on record while the worker is at it, and what is made of it when the worker has
//! died: whoever comes next must know what may have run.

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

/// What a dead worker has put on record: a rung and its gate, or that the rung ran.
enum DeadStep {
    Begun(u32, Option<&'static str>),
    Ran(u32),
}

/// A worker has died that long ago, having put these steps on record; the next call looks after it.
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

/// Between two rungs: the gate has never heard of the second, and the first has run all the same.
#[test]
fn a_worker_that_was_killed_between_two_rungs_has_run_something() {
    let bed = Bed::new();
    bed.policy(|policy| {
        policy["repairs"]["httpd"]["ladder"] = json!([{"local": ["/bin/true"]}, {"ssh": "httpd"}])
    });
    let steps = [DeadStep::Begun(1, None), DeadStep::Ran(1), DeadStep::Begun(2, Some("web1"))];
    let record = after_a_dead_worker(&bed, Duration::from_secs(60), &steps);
    assert_eq!(record.outcome, Some(RepairOutcome::Unknown), "{}", record.text);
    assert!(record.text.contains("the gate says it never began"), "{}", record.text);
}

/// The host's own gate would say truly that it knows nothing.
#[test]
fn asks_the_gate_on_record_though_the_ladder_has_changed() {
    let bed = Bed::new();
    // Its deadline, 600 seconds after its beginning, has passed.
    let steps = [DeadStep::Begun(1, Some("hypervisor1"))];
    let record = after_a_dead_worker(&bed, Duration::from_secs(601), &steps);
    assert_eq!(record.outcome, Some(RepairOutcome::Unknown), "{}", record.text);
    assert!(record.text.contains("its gate cannot be asked: "), "{}", record.text);
}

#[test]
fn a_host_whose_gate_cannot_be_asked_is_kept_until_the_deadline_of_its_rung() {
    let mut bed = Bed::new();
    bed.web.sshd.stop();
    let steps = [DeadStep::Begun(1, Some("web1"))];
    let record = after_a_dead_worker(&bed, Duration::from_secs(60), &steps);
    assert_eq!(record.outcome, None, "{}", record.text);
    let seen = bed.call(CALL);
    assert!(seen.text.contains("is already running on this host"), "{}", seen.text);
}

/// The worker is killed with Nagios, Nagios is started again: all that within the second that an
/// sshd may take.
#[test]
fn a_gate_that_is_slow_to_begin_is_not_believed_to_never_begin() {
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
    assert!(record.text.contains("the gate says: repair 'httpd' exit 0"), "{}", record.text);
}

/// Calls the handler and runs `meanwhile` while the gate collects evidence.
fn with_a_break(bed: &Bed, meanwhile: impl FnOnce()) -> Seen {
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

/// As on a disk that is full from then on.
#[test]
fn a_rung_that_cannot_be_put_on_record_is_not_taken() {
    let bed = Bed::new();
    let store = |sql: &str| {
        bed.monitor
            .nagios
            .does(|| Connection::open(&bed.monitor.ledger).unwrap().execute_batch(sql).unwrap())
    };
    let full = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    let seen = with_a_break(&bed, || {
        store(&format!(
            "CREATE TRIGGER a BEFORE INSERT ON step {full}; CREATE TRIGGER b BEFORE UPDATE ON \
             repair {full}"
        ));
    });
    assert_eq!(seen.code, 2, "{}", seen.text);
    assert!(
        seen.text.starts_with(
            "COULD NOT REPAIR web1/HTTP with httpd: rung 1 of 1 cannot be put on record"
        ),
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
fn a_pause_holds_for_what_is_reserved_and_has_not_begun() {
    let bed = Bed::new();
    let seen = with_a_break(&bed, || {
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
