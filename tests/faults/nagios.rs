//! Kills or restarts a real Nagios at different points during a repair. The worker either
//! continues, or it dies with Nagios and the next call closes its record. Afterwards the ledger
//! must be consistent, the gate's records must not show that a repair ran twice, and the next fault
//! must be healed.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::{Lab, Monitor, Nagios, Place, Watch, WebSide, until};
use ledger::{Record, RepairOutcome, StepKind};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::json;

use crate::bed::CALL;

/// Time limit that is long enough for every step on a busy machine.
const LONG: Duration = Duration::from_secs(40);

/// How the test stops Nagios, and when it starts Nagios again.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Blow {
    /// SIGKILL for Nagios and its worker processes, as the OOM killer would send it. Nagios is
    /// started again after the repair.
    Kill,
    /// SIGKILL for Nagios and everything that it has started, as a service manager does when it
    /// kills the whole control group.
    KillEverything,
    /// SIGTERM for Nagios, which is started again immediately, while the repair continues.
    Restart,
}

/// A point at which a test can hold a repair.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    BeforeReserving,
    Connecting,
    Running,
    Verifying,
    Recording,
}

const MOMENTS: [Moment; 5] = [
    Moment::BeforeReserving,
    Moment::Connecting,
    Moment::Running,
    Moment::Verifying,
    Moment::Recording,
];

/// A lab whose repair and check each wait until a file exists.
struct HeldLab {
    nagios: Nagios,
    monitor: Monitor,
    web: WebSide,
    /// Directory for the files that the repair and the check wait for.
    doors: PathBuf,
    _place: Place,
}

impl HeldLab {
    fn new() -> HeldLab {
        let lab = Lab::new();
        let doors = lab.place.directory("doors", None);
        let behind = |door: &str, argv: &[String]| {
            let wait = format!(
                "until [ -e {}/{door} ]; do sleep 0.02; done; exec \"$@\"",
                doors.display()
            );
            ["/bin/sh".to_owned(), "-c".into(), wait, "sh".into()]
                .into_iter()
                .chain(argv.to_vec())
                .collect::<Vec<_>>()
        };
        let run = behind("run", &lab.web.policy_run);
        let repair = json!({"run": run, "timeout": "60s", "cooldown": "0s"});
        lab.web.write_repairs(&json!({"repairs": {"httpd": repair}}));
        lab.policy(|policy| {
            let httpd = &mut policy["repairs"]["httpd"];
            let check: Vec<String> = serde_json::from_value(httpd["verify"].clone()).unwrap();
            httpd["verify"] = json!(behind("verify", &check));
            httpd["timeout"] = json!("60s");
            httpd["cooldown"] = json!("0s");
        });
        let nagios = lab.nagios(&Watch { retain: true, ..Watch::default() });
        let Lab { monitor, web, place } = lab;
        let lab = HeldLab { nagios, monitor, web, doors, _place: place };
        ["run", "verify"].iter().for_each(|door| lab.open(door));
        lab
    }

    fn open(&self, door: &str) {
        fs::write(self.doors.join(door), "").unwrap();
    }

    fn close(&self, door: &str) {
        fs::remove_file(self.doors.join(door)).unwrap();
    }

    fn newest(&self) -> Option<Record> {
        self.monitor.records().into_iter().next()
    }

    fn newest_has(&self, kind: StepKind) -> Option<()> {
        let record = self.newest().filter(|record| record.ended.is_none())?;
        self.monitor.steps(&record.job).iter().any(|step| step.kind == kind).then_some(())
    }

    /// Whether a worker of this lab is running.
    fn works(&self) -> bool {
        let mut pgrep = Command::new("pgrep");
        pgrep
            .args(["-u", "nagios", "-f"])
            .arg(format!("repair_worker.*{}", self.monitor.policy.display()));
        pgrep.output().unwrap().status.success()
    }

    fn kill_worker(&self) {
        let _ = Command::new("pkill")
            .args(["-KILL", "-u", "nagios", "-f"])
            .arg(&self.monitor.policy)
            .status();
        until("the worker's end", LONG, || (!self.works()).then_some(()));
    }

    /// Calls the handler, as Nagios would for the next event. Returns whether this call repaired
    /// the service.
    fn is_repaired_by_a_call(&self) -> bool {
        let called = self.monitor.call(CALL);
        String::from_utf8_lossy(&called.stdout).starts_with("REPAIRED")
    }

    /// Breaks Apache, waits until the repair has reached `moment`, and holds the repair at this
    /// point. The returned function lets the repair continue.
    fn held_at(&self, moment: Moment) -> Box<dyn FnOnce() + '_> {
        let known = self.monitor.records().len();
        let reserved = || {
            until("the reservation", LONG, || (self.monitor.records().len() > known).then_some(()))
        };
        match moment {
            Moment::BeforeReserving => {
                let turn = turn_of(&self.monitor);
                turn.lock().unwrap();
                self.web.apache.kill();
                until("the worker", LONG, || self.works().then_some(()));
                Box::new(move || drop(turn))
            }
            Moment::Connecting => {
                self.web.sshd.signal(Signal::STOP);
                self.web.apache.kill();
                reserved();
                Box::new(|| self.web.sshd.signal(Signal::CONT))
            }
            Moment::Running => {
                let jobs = self.web.jobs().len();
                self.close("run");
                self.web.apache.kill();
                until("the gate at work", LONG, || (self.web.jobs().len() > jobs).then_some(()));
                Box::new(|| self.open("run"))
            }
            Moment::Verifying => {
                self.close("verify");
                self.web.apache.kill();
                reserved();
                until("the end of the repair", LONG, || self.newest_has(StepKind::Ran));
                Box::new(|| self.open("verify"))
            }
            Moment::Recording => {
                drop(self.held_at(Moment::Verifying));
                let store =
                    self.monitor.nagios.does(|| Connection::open(&self.monitor.ledger).unwrap());
                store.execute_batch("BEGIN IMMEDIATE").unwrap();
                self.open("verify");
                Box::new(move || store.execute_batch("ROLLBACK").unwrap())
            }
        }
    }

    /// Makes Nagios save the states of objects immediately. Without this, Nagios would reuse
    /// problem IDs after a restart.
    fn keep_states(&self) {
        let written = || fs::metadata(&self.nagios.retention).and_then(|file| file.modified()).ok();
        let before = written();
        // Modification times have a coarse resolution. Wait, so that the next write to the file
        // changes its modification time.
        thread::sleep(Duration::from_millis(20));
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        fs::write(&self.monitor.command_file, format!("[{seconds}] SAVE_STATE_INFORMATION\n"))
            .unwrap();
        until("the saved states", LONG, || (written() > before).then_some(()));
    }

    /// Checks that each job at the gate belongs to exactly one record, and that no record has two
    /// jobs.
    fn assert_nothing_ran_twice(&self) {
        let records = self.monitor.records();
        let jobs = self.web.jobs();
        let job_of = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        for job in jobs.iter().map(|path| job_of(path)) {
            let owners = records.iter().filter(|record| job == format!("{}-1", record.job));
            assert_eq!(owners.count(), 1, "{job} does not belong to one record: {records:?}");
        }
        assert!(jobs.len() <= records.len());
    }
}

/// Opens the lock file that workers must lock, one after the other, before they read the ledger.
fn turn_of(monitor: &Monitor) -> File {
    let path = monitor.ledger.with_added_extension("turn");
    let file = File::options().create(true).append(true).open(&path).unwrap();
    chown(&path, Some(monitor.nagios.uid), Some(monitor.nagios.gid)).unwrap();
    file
}

fn at_every_moment(blow: Blow) {
    let lab = HeldLab::new();
    for moment in MOMENTS {
        let known = lab.monitor.records().len();
        let release = lab.held_at(moment);
        // Give processes time to start waiting for a lock.
        thread::sleep(Duration::from_millis(200));
        lab.keep_states();
        match blow {
            Blow::Restart => {
                lab.nagios.terminate();
                lab.nagios.start_again();
                thread::sleep(Duration::from_millis(1500));
                release();
            }
            Blow::Kill => {
                lab.nagios.kill();
                release();
                until("the worker's end", LONG, || (!lab.works()).then_some(()));
                lab.nagios.start_again();
            }
            Blow::KillEverything => {
                lab.nagios.kill();
                lab.kill_worker();
                release();
                lab.nagios.start_again();
                until("the next call to be handled", LONG, || {
                    (lab.web.apache.is_listening() || lab.is_repaired_by_a_call()).then_some(())
                });
            }
        }
        lab.nagios.wait_for_ok();
        until("the worker's end", LONG, || (!lab.works()).then_some(()));
        lab.assert_nothing_ran_twice();
        if blow != Blow::KillEverything {
            let records = lab.monitor.records();
            assert_eq!(
                (records.len(), records[0].outcome),
                (known + 1, Some(RepairOutcome::Healed)),
                "{moment:?}: {records:?}"
            );
            assert_eq!(lab.web.jobs().len(), records.len(), "{moment:?}");
        }
    }
    heals_next_fault(&lab);
}

fn heals_next_fault(lab: &HeldLab) {
    let known = lab.monitor.records().len();
    lab.web.apache.kill();
    until("a new record", LONG, || (lab.monitor.records().len() > known).then_some(()));
    lab.nagios.wait_for_ok();
    until("the worker's end", LONG, || (!lab.works()).then_some(()));
    let records = lab.monitor.records();
    assert_eq!(
        (records.len(), records[0].outcome),
        (known + 1, Some(RepairOutcome::Healed)),
        "{records:?}"
    );
    assert!(
        records.iter().all(|record| record.outcome.is_some()),
        "a repair is recorded as still running: {records:?}"
    );
    lab.assert_nothing_ran_twice();
}

#[test]
fn recovers_from_killed_nagios_at_every_moment() {
    at_every_moment(Blow::Kill);
}

#[test]
fn recovers_from_killed_nagios_and_children_at_every_moment() {
    at_every_moment(Blow::KillEverything);
}

#[test]
fn recovers_from_restarted_nagios_at_every_moment() {
    at_every_moment(Blow::Restart);
}

/// After `event_handler_timeout`, Nagios kills the handler's process group. The worker survives,
/// because it is not in this group.
#[test]
fn repair_continues_after_nagios_kills_slow_handler() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    // Make the repair wait until Nagios has killed its handler.
    let door = lab.place.directory("doors", None).join("run");
    let wait = format!("until [ -e {} ]; do sleep 0.02; done; exec \"$@\"", door.display());
    let slow = ["/bin/sh", "-c", &wait, "sh"].map(str::to_owned);
    let repair: Vec<String> = slow.into_iter().chain(web.policy_run.clone()).collect();
    web.write_repairs(
        &json!({"repairs": {"httpd": {"run": repair, "timeout": "60s", "cooldown": "0s"}}}),
    );
    lab.policy(|policy| policy["repairs"]["httpd"]["timeout"] = json!("60s"));
    let script = format!(
        "#!/bin/sh\n{} \"$@\" --policy {}\nsleep 60\n",
        monitor.handler.display(),
        monitor.policy.display()
    );
    let script = lab.place.file("slow.sh", &script, 0o755, None);
    let words = "'$SERVICESTATE$' '$SERVICESTATETYPE$' '$SERVICEATTEMPT$' --host '$HOSTNAME$' \
                 --service '$SERVICEDESC$' \
                 --address '$HOSTADDRESS$' --repair '$_SERVICEREPAIR$' --problem-id \
                 '$SERVICEPROBLEMID$'";
    let more = format!(
        "define command {{\n command_name slow\n command_line {} {words}\n}}\n",
        script.display()
    );
    let watch = Watch { handler: "slow", event_handler_timeout: 1, more, ..Watch::default() };
    let nagios = lab.nagios(&watch);

    web.apache.kill();
    let killed = |line: &String| {
        line.contains("event handler command")
            && line.contains("'SOFT' '3'")
            && line.contains("timed out")
    };
    until("the kill by Nagios", LONG, || nagios.log_lines().iter().any(killed).then_some(()));
    assert_eq!(monitor.records().iter().map(|record| record.outcome).collect::<Vec<_>>(), [None]);
    fs::write(&door, "").unwrap();
    until("the end of the repair", LONG, || monitor.records()[0].outcome);
    nagios.wait_for_ok();
    let records = monitor.records();
    assert_eq!(
        (records.len(), records[0].outcome, web.jobs().len()),
        (1, Some(RepairOutcome::Healed), 1),
        "{records:?}"
    );
}
