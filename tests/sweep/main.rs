//! Tests of `repairctl sweep` with a real Nagios: repairs that the event handler missed, and faults
//! that the sweep must leave alone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod waits;

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::{Lab, Monitor, Nagios, Place, Watch, WebSide, run, until};
use ledger::RepairOutcome;
use policy::ReasonCode;
use serde_json::{Value, json};

/// A lab with a running Nagios and a policy that names its status file.
struct Site {
    web: WebSide,
    monitor: Monitor,
    nagios: Nagios,
    place: Place,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Site {
    fn new(change: impl Fn(&mut Value), watch: impl Fn(&WebSide) -> Watch) -> Site {
        let lab = Lab::new();
        lab.policy(|policy| {
            policy["status_file"] = json!(lab.place.at("monitor/nagios/status.dat"));
            policy["fleet"]["share"] = json!(100);
            policy["repairs"]["httpd"]["healthy_for"] = json!("1h");
            change(policy);
        });
        let nagios = lab.nagios(&watch(&lab.web));
        let Lab { monitor, web, place } = lab;
        Site { web, monitor, nagios, place }
    }

    /// Pauses everything and breaks Apache, so that its repair is missed. Then resumes repairs.
    fn break_while_paused(&self) {
        assert!(self.ctl(&["pause", "--reason", "test"]).ok());
        self.web.apache.kill();
        self.nagios.wait_for_call("CRITICAL;HARD;4");
        until("the refusal on record", MINUTE, || {
            self.monitor
                .refusals()
                .iter()
                .any(|no| no.reason.code() == Some(ReasonCode::Paused))
                .then_some(())
        });
        assert!(self.monitor.records().is_empty());
        self.is_hard_broken();
        assert!(self.ctl(&["resume"]).ok());
    }

    fn ctl(&self, arguments: &[&str]) -> Seen {
        Seen::from(self.monitor.ctl(arguments).output().unwrap())
    }

    fn sweep_in_background(&self) -> Child {
        self.monitor.ctl(&["sweep"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn in_status(&self, field: &str, value: &str) {
        until(&format!("{field}={value}"), MINUTE, || {
            (self.nagios.service(field)? == value).then_some(())
        });
    }

    fn is_hard_broken(&self) {
        let fields = ["current_state", "state_type"];
        until("CRITICAL and HARD in the status file", MINUTE, || {
            (fields.map(|field| self.nagios.service(field))
                == ["2", "1"].map(|value| Some(value.to_owned())))
            .then_some(())
        });
    }

    /// Waits until Nagios has checked the service `count` more times.
    fn checks(&self, count: u32) {
        for _ in 0..count {
            let last = self.nagios.service("last_check");
            until("another check", MINUTE, || {
                (self.nagios.service("last_check") != last).then_some(())
            });
        }
    }

    fn tell_nagios(&self, command: &str) {
        let mut pipe = fs::OpenOptions::new().write(true).open(&self.monitor.command_file).unwrap();
        pipe.write_all(format!("[0] {command}\n").as_bytes()).unwrap();
    }
}

struct Seen {
    code: i32,
    text: String,
}

impl Seen {
    fn from(output: Output) -> Seen {
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        Seen { code: output.status.code().unwrap_or(-1), text }
    }

    fn ok(&self) -> bool {
        self.code == 0
    }

    #[track_caller]
    fn is(&self, code: i32, wanted: &str) {
        assert!(
            self.code == code && self.text.contains(wanted),
            "wanted {code} and '{wanted}', got {}: {}",
            self.code,
            self.text
        );
    }
}

fn nothing(_: &mut Value) {}

fn plain(_: &WebSide) -> Watch {
    Watch::default()
}

/// Makes Nagios check the host's sshd, so that the host is DOWN while sshd is stopped.
fn watched_host(web: &WebSide) -> Watch {
    let check = e2e::system_program(&["check_tcp"]).display().to_string();
    let more = format!(
        "define command {{\n command_name check_sshd\n command_line {check} -H 127.0.0.1 -p {} -t \
        2\n}}\n",
        web.sshd.port
    );
    Watch {
        host: "check_command check_sshd\n check_interval 1\n retry_interval 1",
        more,
        ..Watch::default()
    }
}

/// Nagios calls the handler only once, while the host is DOWN. Only the sweep can retry the repair.
#[test]
fn sweep_heals_service_that_failed_while_host_was_down() {
    let mut site = Site::new(nothing, watched_host);
    site.web.sshd.stop();
    let down = |site: &Site| {
        site.nagios.log_lines().iter().any(|line| line.contains("HOST ALERT: web1;DOWN;HARD"))
    };
    until("the host DOWN", MINUTE, || down(&site).then_some(()));
    site.web.apache.kill();
    site.nagios.wait_for_call("CRITICAL;HARD;1");
    site.is_hard_broken();
    site.ctl(&["sweep"]).is(1, "the host is DOWN");
    site.ctl(&["sweep", "--dry-run"]).is(1, "the host is DOWN");

    site.web.sshd.begin();
    let up = |site: &Site| {
        site.nagios.log_lines().iter().any(|line| line.contains("HOST ALERT: web1;UP;HARD"))
    };
    until("the host UP", MINUTE, || up(&site).then_some(()));
    site.checks(6);
    assert_eq!(
        (site.nagios.calls("CRITICAL"), site.monitor.records().len()),
        (1, 0),
        "{:#?}",
        site.nagios.log_lines()
    );

    site.ctl(&["sweep", "--dry-run"]).is(1, "web1/HTTP\twould offer\thttpd: never tried");
    assert_sweep_starts_nothing_when_blocked(&site);
    site.ctl(&["sweep"]).is(0, "web1/HTTP\thealed\tREPAIRED web1/HTTP with httpd");
    site.in_status("current_state", "0");
    assert_eq!(
        site.nagios.calls("CRITICAL"),
        1,
        "Nagios called the handler again, so it is not certain that the sweep repaired the service"
    );
    let records = site.monitor.records();
    assert_eq!(
        (records.len(), records[0].outcome, records[0].event.as_str()),
        (1, Some(RepairOutcome::Healed), "CRITICAL;HARD;1")
    );
    site.ctl(&["sweep"]).is(0, "no object with a repair has a HARD problem");
    assert_eq!(site.monitor.records().len(), 1);
}

/// Checks that the sweep starts nothing if the status file is outdated or missing, if the event
/// handler is disabled, if the problem is acknowledged, or if repairs are paused.
fn assert_sweep_starts_nothing_when_blocked(site: &Site) {
    let policy: Value =
        serde_json::from_str(&fs::read_to_string(&site.monitor.policy).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Value), name: &str| {
        let mut other = policy.clone();
        change(&mut other);
        let path = site.place.file(name, &other.to_string(), 0o644, None);
        Seen::from(
            site.monitor
                .as_nagios(&site.monitor.repairctl)
                .arg("--policy")
                .arg(path)
                .arg("sweep")
                .output()
                .unwrap(),
        )
    };
    let status = fs::read_to_string(&site.nagios.status).unwrap();
    let begin = status.find("created=").unwrap();
    let end = begin + status[begin..].find('\n').unwrap();
    site.place.directory("old", None);
    let old = site.place.file(
        "old/status.dat",
        &(status[..begin].to_owned() + "created=1700000000" + &status[end..]),
        0o644,
        None,
    );
    fs::copy(
        site.nagios.status.with_file_name("objects.cache"),
        old.with_file_name("objects.cache"),
    )
    .unwrap();
    with(&|policy| policy["status_file"] = json!(old), "old.json")
        .is(2, "check that Nagios is running");
    with(&|policy| policy["status_file"] = Value::Null, "none.json").is(3, "\"status_file\"");
    with(&|policy| policy["status_file"] = json!("/nonexistent/status.dat"), "missing.json")
        .is(3, "/nonexistent/");

    site.tell_nagios("DISABLE_SVC_EVENT_HANDLER;web1;HTTP");
    site.in_status("event_handler_enabled", "0");
    site.ctl(&["sweep"]).is(0, "left alone\tthe object's event handler is disabled");
    site.tell_nagios("ENABLE_SVC_EVENT_HANDLER;web1;HTTP");
    site.in_status("event_handler_enabled", "1");

    site.tell_nagios("ACKNOWLEDGE_SVC_PROBLEM;web1;HTTP;1;0;0;alice;mine");
    site.in_status("problem_has_been_acknowledged", "1");
    site.ctl(&["sweep"]).is(1, "acknowledged");
    site.tell_nagios("REMOVE_SVC_ACKNOWLEDGEMENT;web1;HTTP");
    site.in_status("problem_has_been_acknowledged", "0");

    assert!(site.ctl(&["pause", "--for", "10m", "--reason", "storage"]).ok());
    site.ctl(&["sweep"]).is(2, "paused by nagios for another 10 min: storage");
    assert!(site.ctl(&["resume"]).ok());
    assert!(site.monitor.records().is_empty(), "something was started");
}

/// The service recovers after the sweep has read the status file, but before the worker reads it. A
/// script delays the worker. The worker must not repair the service.
#[test]
fn skips_service_that_recovered_after_sweep_read_status() {
    let place = Place::new();
    let (repairctl, worker) = (place.program("repairctl"), place.program("repair_worker"));
    let [held, started, go] = ["bin/held_worker", "started", "go"].map(|name| place.at(name));
    fs::rename(&worker, &held).unwrap();
    let wait =
        format!("touch {}; until [ -e {} ]; do sleep 0.05; done", started.display(), go.display());
    place.file(
        "bin/repair_worker",
        &format!("#!/bin/sh\n{wait}; exec {} \"$@\"\n", held.display()),
        0o755,
        None,
    );
    let mark = place.at("mark");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let status = |state: u32, checked: u64| {
        let text = format!(
            "info {{\n\tcreated={now}\n\t}}\nprogramstatus \
            {{\n\tenable_event_handlers=1\n\tprogram_start=1\n\t}}\n\
             hoststatus {{\n\thost_name=web1\n\tcurrent_state=0\n\t}}\n\
             servicestatus {{\n\thost_name=web1\n\tservice_description=HTTP\n\tcurrent_state={state}\n\tstate_type=1\n\
             \tcurrent_attempt=4\n\tmax_attempts=4\n\tlast_check={checked}\n\tevent_handler_enabled=1\n\t_REPAIR=0;httpd\n\t}}\n"
        );
        place.file("status.dat", &text, 0o644, None)
    };
    place.file(
        "objects.cache",
        "define host {\n\thost_name\tweb1\n\taddress\t127.0.0.1\n\t}\n",
        0o644,
        None,
    );
    let policy = json!({
        "ledger": place.at("ledger.sqlite"), "status_file": status(2, now - 5),
        "repairs": {"httpd": {"ladder": [{"local": ["/usr/bin/touch", mark]}], "verify": ["/bin/true"], "settle": "0s"}},
    });
    let policy = place.file("policy.json", &policy.to_string(), 0o644, None);
    let sweep = Command::new(repairctl)
        .arg("--policy")
        .arg(&policy)
        .arg("sweep")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    until("the worker", MINUTE, || started.exists().then_some(()));
    status(0, now - 2);
    fs::write(go, "").unwrap();
    let output = sweep.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("web1/HTTP\trefused") && !mark.exists(), "{text}");
}

/// The first repair does not help and is escalated. Later sweeps must leave the problem alone.
#[test]
fn does_not_repeat_ineffective_repair() {
    let site = Site::new(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("1m"), plain);
    site.web.write_repairs(
        &json!({"repairs": {"httpd": {"run": ["/bin/true"], "timeout": "15s", "cooldown": "1s"}}}),
    );
    site.web.apache.kill();
    site.nagios.wait_for_call("CRITICAL;HARD;4");
    until("the end of the repair", MINUTE, || site.monitor.records().first()?.outcome);
    site.checks(3);
    for _ in 0..3 {
        site.ctl(&["sweep"]).is(0, "left alone\tescalated");
        std::thread::sleep(Duration::from_millis(1100));
    }
    assert_eq!((site.monitor.records().len(), site.web.jobs().len()), (1, 1));
}

/// The first lines of this test check something else: `pause` must reject a mistyped service name.
#[test]
fn allows_one_sweep_at_a_time_and_ends_it_cleanly() {
    let site = Site::new(nothing, plain);
    let go = site.place.directory("marks", site.web.account.ids()).join("go");
    let slow = format!(
        "until [ -e {} ]; do sleep 0.05; done; exec {}",
        go.display(),
        site.web.policy_run.join(" ")
    );
    let repairs = json!({"repairs": {"httpd": {"run": ["/bin/sh", "-c", slow], "timeout": "30s", "cooldown": "1s"}}});
    site.web.write_repairs(&repairs);
    let typo = site.ctl(&["pause", "web1", "HTPP", "--reason", "x"]);
    typo.is(3, "Nagios does not know web1/HTPP; services of web1: HTTP; nothing was paused");
    assert!(
        site.ctl(&["pause", "web1", "HTTP", "--reason", "x"]).ok()
            && site.ctl(&["resume", "web1", "HTTP"]).ok()
    );
    site.break_while_paused();

    let first = site.sweep_in_background();
    until("the gate at work", MINUTE, || (site.web.jobs().len() == 1).then_some(()));
    site.ctl(&["sweep"]).is(2, "another sweep is running");
    site.ctl(&["status"]).is(0, "web1/HTTP with httpd for");
    run(Command::new("kill").args(["-TERM", &first.id().to_string()]));
    let first = Seen::from(first.wait_with_output().unwrap());
    first.is(1, "Interrupted");
    first.is(1, "is still running and will finish");
    assert_eq!(site.monitor.records()[0].outcome, None);
    fs::write(&go, "").unwrap();
    until("the worker's end", MINUTE, || {
        site.monitor.records()[0].outcome.filter(|outcome| *outcome == RepairOutcome::Healed)
    });
    site.in_status("current_state", "0");
    assert_eq!(site.web.jobs().len(), 1);
}

/// The worker that a sweep has started dies during the repair. The next sweep must query the gate
/// for the outcome, and a later one must retry the repair. The handler must not retry it: if Nagios
/// sends the event again, the event counts as handled.
#[test]
fn queries_gate_for_dead_worker_and_retries() {
    let site = Site::new(nothing, plain);
    let go = site.place.directory("marks", site.web.account.ids()).join("go");
    let wait = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    let repairs = json!({"repairs": {"httpd": {"run": ["/bin/sh", "-c", wait], "timeout": "30s", "cooldown": "1s"}}});
    site.web.write_repairs(&repairs);
    site.break_while_paused();
    let sweep = site.sweep_in_background();
    until("the gate at work", MINUTE, || (site.web.jobs().len() == 1).then_some(()));
    let job = site.monitor.records()[0].job.clone();
    run(Command::new("pkill").args(["-KILL", "-u", "nagios", "-f", "--", &format!("--job={job}")]));
    Seen::from(sweep.wait_with_output().unwrap()).is(1, "its worker died");

    // The gate finishes the repair, which does not help. The next sweep only records the outcome.
    fs::write(&go, "").unwrap();
    site.web.write_repairs(&site.web.default_repairs());
    std::thread::sleep(Duration::from_millis(1500));
    site.ctl(&["sweep"]).is(0, "left alone\tNagios has not checked the object since");
    let record = &site.monitor.records()[0];
    assert_eq!(record.outcome, Some(RepairOutcome::Unknown));
    assert!(
        record.text.contains("the gate reports: repair 'httpd' ended with exit 0"),
        "{}",
        record.text
    );
    site.checks(3);

    let problem = site.nagios.service("current_problem_id").unwrap();
    let repeated = site.monitor.call(&format!(
        "CRITICAL HARD 4 --host web1 --address 127.0.0.1 --service HTTP --repair httpd \
         --problem-id {problem} --foreground"
    ));
    Seen::from(repeated).is(0, "has already answered this event");
    site.ctl(&["sweep"]).is(0, "web1/HTTP\thealed");
    let outcomes: Vec<_> =
        site.monitor.records().into_iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Some(RepairOutcome::Healed), Some(RepairOutcome::Unknown)]);
}
