//! What only Nagios' status file tells, with real Nagios: somebody is at it, or it is over already.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::{Lab, Monitor, Nagios, Place, Watch, WebSide, until};
use ledger::RepairOutcome;
use serde_json::json;

const LONG: Duration = Duration::from_secs(40);

/// A lab whose policy knows Nagios' status file.
struct StatusLab {
    nagios: Nagios,
    monitor: Monitor,
    web: WebSide,
    _place: Place,
}

impl StatusLab {
    fn new() -> StatusLab {
        let lab = Lab::new();
        lab.policy(|policy| {
            policy["status_file"] = json!(lab.place.at("monitor/nagios/status.dat"));
            // The only object with a repair is in trouble: that is not a fleet.
            policy["fleet"]["share"] = json!(100);
        });
        let nagios = lab.nagios(&Watch { retry_interval: 3, ..Watch::default() });
        let Lab { monitor, web, place } = lab;
        StatusLab { nagios, monitor, web, _place: place }
    }

    fn command(&self, command: &str) {
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        fs::write(&self.monitor.command_file, format!("[{seconds}] {command}\n")).unwrap();
    }

    fn nothing_was_run(&self) {
        assert!(self.web.jobs().is_empty() && !self.web.apache.is_listening(), "a repair was run");
    }
}

#[test]
fn an_acknowledged_problem_is_left_to_the_person_who_is_at_it() {
    let lab = StatusLab::new();
    lab.web.apache.kill();
    lab.nagios.wait_for_call("CRITICAL;SOFT;1");
    lab.command("ACKNOWLEDGE_SVC_PROBLEM;web1;HTTP;2;0;0;ann;I am at it");
    let refusal = until("the refusal", LONG, || lab.monitor.refusals().into_iter().next());
    assert_eq!(
        (refusal.reason.as_str(), refusal.text.contains("somebody is at it")),
        ("acknowledged", true),
        "{refusal:?}"
    );
    assert!(lab.monitor.records().is_empty());
    lab.nothing_was_run();
}

/// A worker may wait for others. What Nagios has seen meanwhile counts, not what it had seen when
/// it called.
fn over_before_its_turn(results: &[(u8, &str)]) {
    let lab = StatusLab::new();
    let path = lab.monitor.ledger.with_added_extension("turn");
    let turn = File::options().create(true).append(true).open(&path).unwrap();
    chown(&path, Some(lab.monitor.nagios.uid), Some(lab.monitor.nagios.gid)).unwrap();
    turn.lock().unwrap();
    lab.web.apache.kill();
    lab.nagios.wait_for_call("CRITICAL;SOFT;3");
    lab.command("DISABLE_SVC_CHECK;web1;HTTP");
    for (state, text) in results {
        // Times in the status file are whole seconds.
        thread::sleep(Duration::from_millis(1100));
        lab.command(&format!("PROCESS_SERVICE_CHECK_RESULT;web1;HTTP;{state};{text}"));
        until(text, LONG, || (lab.nagios.service("plugin_output")? == *text).then_some(()));
    }
    drop(turn);
    let record = until("the end", LONG, || {
        lab.monitor.records().into_iter().next().filter(|record| record.ended.is_some())
    });
    assert_eq!(record.outcome, Some(RepairOutcome::CouldNotRun), "{record:?}");
    assert!(
        record
            .text
            .starts_with("nothing was run for web1/HTTP: it is OK, there is nothing to repair"),
        "{record:?}"
    );
    lab.nothing_was_run();
}

#[test]
fn a_problem_that_is_over_before_the_worker_has_its_turn_is_not_repaired() {
    over_before_its_turn(&[(0, "mended by hand")]);
}

#[test]
fn a_job_that_is_older_than_the_last_ok_is_dropped_though_it_is_broken_again() {
    over_before_its_turn(&[(0, "mended by hand"), (2, "broken again")]);
}
