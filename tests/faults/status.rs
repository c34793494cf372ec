//! Tests conditions that only the status file of a real Nagios shows: an acknowledgement, scheduled
//! downtime, or a recovery after the call.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::{Lab, Monitor, Nagios, Place, Watch, WebSide, until};
use ledger::RepairOutcome;
use serde_json::json;

const LONG: Duration = Duration::from_secs(40);

/// A lab whose policy names Nagios' status file.
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
            // The only repairable object will be in trouble, so the limit `share` must allow 100 %.
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

    fn assert_nothing_was_run(&self) {
        assert!(self.web.jobs().is_empty() && !self.web.apache.is_listening(), "a repair was run");
    }
}

#[test]
fn leaves_acknowledged_problem_alone() {
    let lab = StatusLab::new();
    lab.web.apache.kill();
    lab.nagios.wait_for_call("CRITICAL;SOFT;1");
    lab.command("ACKNOWLEDGE_SVC_PROBLEM;web1;HTTP;2;0;0;ann;I am at it");
    let refusal = until("the refusal", LONG, || lab.monitor.refusals().into_iter().next());
    assert_eq!(
        (refusal.reason.as_str(), refusal.text.contains("when the acknowledgement is removed")),
        ("acknowledged", true),
        "{refusal:?}"
    );
    assert!(lab.monitor.records().is_empty());
    lab.assert_nothing_was_run();
}

/// While a worker waits for its turn, Nagios can receive new check results. The newest result
/// counts, not the state at the time of the call.
fn recovers_before_worker_gets_lock(results: &[(u8, &str)]) {
    let lab = StatusLab::new();
    let path = lab.monitor.ledger.with_added_extension("turn");
    let turn = File::options().create(true).append(true).open(&path).unwrap();
    chown(&path, Some(lab.monitor.nagios.uid), Some(lab.monitor.nagios.gid)).unwrap();
    turn.lock().unwrap();
    lab.web.apache.kill();
    lab.nagios.wait_for_call("CRITICAL;SOFT;3");
    lab.command("DISABLE_SVC_CHECK;web1;HTTP");
    for (state, text) in results {
        // Times in the status file have a resolution of one second, so wait for longer than that.
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
        record.text.starts_with(
            "nothing was run for web1/HTTP: the object is OK, so there is nothing to repair"
        ),
        "{record:?}"
    );
    lab.assert_nothing_was_run();
}

#[test]
fn skips_repair_after_recovery_before_worker_gets_lock() {
    recovers_before_worker_gets_lock(&[(0, "fixed by hand")]);
}

#[test]
fn drops_job_older_than_last_ok_despite_new_fault() {
    recovers_before_worker_gets_lock(&[(0, "fixed by hand"), (2, "broken again")]);
}

/// While the first rung runs, sends Nagios a command that rules out a stronger rung. The first rung
/// waits until the status file shows the effect of the command.
fn stops_between_rungs(command: &str, shown: &str, wanted: &str) {
    let place = Place::new();
    let web = WebSide::start(&place);
    let monitor = Monitor::new(&place, &web);
    let marks = place.directory("marks", monitor.nagios.ids());
    let status_file = place.at("monitor/nagios/status.dat");
    let first =
        format!("touch {0}/first; until [ -e {0}/go ]; do sleep 0.05; done", marks.display());
    let mut policy = monitor.default_policy(&web);
    policy["status_file"] = json!(status_file);
    policy["fleet"]["share"] = json!(100);
    policy["repairs"]["httpd"]["timeout"] = json!("60s");
    policy["repairs"]["httpd"]["ladder"] = json!([
        {"local": ["/bin/sh", "-c", first]},
        {"local": ["/usr/bin/touch", marks.join("stronger")]},
    ]);
    monitor.write_policy(&policy);
    let nagios =
        Nagios::start(&place, &monitor, &web, &Watch { retry_interval: 3, ..Watch::default() });
    let lab = StatusLab { nagios, monitor, web, _place: place };
    lab.web.apache.kill();
    until("the first rung", LONG, || marks.join("first").exists().then_some(()));
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let hour = format!("{};{};1;0;3600;ann;migration", seconds - 1, seconds + 3600);
    lab.command(&command.replace("HOUR", &hour));
    until(shown, LONG, || fs::read_to_string(&status_file).ok()?.contains(shown).then_some(()));
    fs::write(marks.join("go"), "").unwrap();
    let record = until("the end", LONG, || {
        lab.monitor.records().into_iter().next().filter(|record| record.ended.is_some())
    });
    assert_eq!(record.outcome, Some(RepairOutcome::NotHealed), "{record:?}");
    let reason = format!("rung 2 was not run: {wanted}");
    assert!(record.text.contains(&reason), "{record:?}");
    assert!(!marks.join("stronger").exists(), "the stronger rung was run");
}

#[test]
fn service_downtime_stops_ladder() {
    stops_between_rungs(
        "SCHEDULE_SVC_DOWNTIME;web1;HTTP;HOUR",
        "scheduled_downtime_depth=1",
        "the service is in downtime",
    );
}

#[test]
fn host_downtime_stops_ladder() {
    stops_between_rungs(
        "SCHEDULE_HOST_DOWNTIME;web1;HOUR",
        "scheduled_downtime_depth=1",
        "the host is in downtime",
    );
}

#[test]
fn acknowledgement_stops_ladder() {
    stops_between_rungs(
        "ACKNOWLEDGE_SVC_PROBLEM;web1;HTTP;2;0;0;ann;I am at it",
        "problem_has_been_acknowledged=1",
        "the problem is acknowledged",
    );
}
