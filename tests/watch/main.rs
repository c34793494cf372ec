//! Tests of check_repairs with a real Nagios. One service, which has active and passive checks,
//! monitors the repairs. Another service monitors a gate.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, SystemTime};

use e2e::{Lab, Monitor, Nagios, Place, Watch, WebSide, run, system_program, until};
use ledger::{Claim, Ledger, Paused, RepairOutcome};
use policy::{Decision, Event, ObjectState, Policy, StateType};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Definitions of the services that check the repairs and the gate every second.
const SERVICES: &str = "
define service {\n use repairs-service\n host_name web1\n service_description \
Repairs\n check_interval 1\n retry_interval 1
 check_period always\n notification_period always\n contacts pager\n}
define service {\n host_name web1\n service_description Gate\n check_command check_repair_gate!-t \
2\n check_interval 1
 retry_interval 1\n max_check_attempts 1\n check_period always\n notification_period \
 always\n contacts pager\n}
";

/// Returns the value of one of the service's fields in Nagios' status file.
fn field(nagios: &Nagios, service: &str, name: &str) -> Option<String> {
    let status = fs::read_to_string(nagios.log.with_file_name("status.dat")).ok()?;
    let block = status
        .split("servicestatus {")
        .skip(1)
        .find(|block| block.contains(&format!("service_description={service}\n")))?;
    block.split_once(&format!("\n\t{name}="))?.1.lines().next().map(str::to_owned)
}

fn wait_for(nagios: &Nagios, service: &str, state: &str, output: &str) -> String {
    until(&format!("{service} {state}: {output}"), Duration::from_secs(30), || {
        let said = field(nagios, service, "plugin_output")?;
        (field(nagios, service, "current_state")? == state && said.contains(output)).then_some(said)
    })
}

#[test]
fn reports_every_state_of_repairs_to_nagios() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    let lasting = |policy: &mut Value| {
        policy["repairs"]["httpd"]["cooldown"] = json!("10m");
        policy["check_repairs"] = json!({"host": "web1", "service": "Repairs"});
    };
    lab.policy(lasting);
    web.write_repairs(
        &json!({"repairs": {"httpd": {"run": ["/bin/true"], "timeout": "15s", "cooldown": "1s"}}}),
    );
    let nagios = lab.nagios(&Watch { more: SERVICES.to_owned(), ..Watch::default() });

    wait_for(&nagios, "Repairs", "0", "REPAIRS OK: 0 healed, 0 failed, 0 refused in 24 h");
    let perfdata = field(&nagios, "Repairs", "performance_data").unwrap();
    assert!(
        perfdata.starts_with("healed=0;;;0; failed=0;0;;0;")
            && perfdata.contains(" budget=0;8000;9900;0;10000"),
        "{perfdata}"
    );
    wait_for(&nagios, "Gate", "0", "REPAIRS OK: the gate of web1 answers in ");
    web.sshd.signal(Signal::STOP);
    wait_for(&nagios, "Gate", "2", "REPAIRS CRITICAL: the gate of web1: ");
    web.sshd.signal(Signal::CONT);
    wait_for(&nagios, "Gate", "0", "REPAIRS OK");

    // Pause all repairs as an admin would.
    let (by, reason) = ("anna".into(), "new | switch".into());
    let pause =
        Paused { host: None, service: None, by, reason, since: SystemTime::now(), until: None };
    monitor.write(|ledger| ledger.pause(&pause).unwrap());
    wait_for(
        &nagios,
        "Repairs",
        "1",
        "REPAIRS WARNING: everything: paused by anna until repairs are resumed: new / switch",
    );
    monitor.write(|ledger| ledger.resume(None, None, SystemTime::now()).unwrap());
    wait_for(&nagios, "Repairs", "0", "REPAIRS OK");

    // After an unsuccessful repair, the worker immediately sends a passive result. The next active
    // check then reports what the ledger contains.
    web.apache.kill();
    until("the passive result", Duration::from_secs(40), || {
        nagios
            .log_lines()
            .iter()
            .any(|line| line.contains("SERVICE ALERT: web1;Repairs;CRITICAL;HARD;1;NOT REPAIRED"))
            .then_some(())
    });
    wait_for(&nagios, "Repairs", "1", "REPAIRS WARNING: 1 repair failed in 24 h");

    // Add two earlier failed repairs, so that the incident has three of them.
    for (n, minutes) in [(1_u32, 50), (2, 30)] {
        monitor.write(|ledger| failed(ledger, n, "HTTP", minutes));
    }
    // Add three failed repairs of a service with a hostile name.
    for (n, minutes) in [(3_u32, 50), (4, 35), (5, 20)] {
        monitor.write(|ledger| failed(ledger, n, "x|y=1;;; \u{1b}[31m\n<b>", minutes));
    }
    lab.policy(|changed| {
        lasting(changed);
        changed["repairs"]["httpd"]["healthy_for"] = json!("1h");
    });
    let said = wait_for(
        &nagios,
        "Repairs",
        "2",
        "REPAIRS CRITICAL: the breaker is open for web1/HTTP and 1 more",
    );
    assert!(!said.contains(char::is_control), "{said}");
    assert!(field(&nagios, "Repairs", "performance_data").unwrap().contains(" breakers=2;;;0; "));

    // Replace the ledger with an invalid file. The plugin must report that nothing is repaired.
    let aside = monitor.ledger.with_extension("aside");
    fs::rename(&monitor.ledger, &aside).unwrap();
    fs::write(&monitor.ledger, "no ledger at all").unwrap();
    wait_for(&nagios, "Repairs", "2", "REPAIRS CRITICAL: nothing is repaired: ");
    fs::rename(&aside, &monitor.ledger).unwrap();
    wait_for(&nagios, "Repairs", "2", "breaker is open");
}

fn failed(ledger: &mut dyn Ledger, n: u32, service: &str, minutes: u64) {
    let job = format!("by-hand-{n:04}").parse().unwrap();
    let began = SystemTime::now() - Duration::from_secs(minutes * 60);
    let event = Event::new("web1", Some(service), ObjectState::Critical, StateType::Hard, 4);
    let minute = Duration::from_secs(60);
    let claim = Claim {
        job: &job,
        event: &event,
        lease: minute,
        horizon: Policy::default().horizon(&event),
        observed: None,
    };
    let granted =
        ledger.reserve(&claim, &|| began, &|_| Decision::Repair("httpd".parse().unwrap())).unwrap();
    assert!(granted.is_ok());
    ledger.finish(&job, began + minute, RepairOutcome::NotHealed, "it is still there").unwrap();
}

/// Starts a lab whose gate has two repairs: `httpd`, which is allowed once an hour, and `tomcat`,
/// which has no limits.
fn with_two_repairs() -> Lab {
    let lab = Lab::new();
    lab.policy(|policy| policy["hosts"] = json!({"web1": {"address": "127.0.0.1"}}));
    let once = json!({"count": 1, "window": "1h"});
    lab.web.write_repairs(&json!({"repairs": {
        "httpd": {"run": ["/bin/true"], "cooldown": "0s", "budget": once},
        "tomcat": {"run": ["/bin/true"], "cooldown": "0s"},
    }}));
    lab
}

/// Requests a repair directly from the gate, as anyone who has the key could.
fn burn(monitor: &Monitor, web: &WebSide, repair: &str) {
    let mut ssh = monitor.as_nagios(&system_program(&["ssh"]));
    ssh.args([
        "-F",
        "/dev/null",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]);
    ssh.arg("-i").arg(monitor.key()).args([
        "-p",
        &web.sshd.port.to_string(),
        &format!("{}@127.0.0.1", web.account.name),
    ]);
    assert!(run(ssh.arg(format!("repair {repair} by-hand-{repair}"))).contains("\"done\""));
}

/// Writes 899 records about `tomcat`, in the format that older gates use.
fn fill(place: &Place, web: &WebSide) {
    let ended = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    for n in 0..899 {
        let record = json!({"boot": "b", "deadline": ended, "ended": ended, "exit": 0, "job": format!("flood-{n:04}"), "output": [],
            "pid": 1, "repair": "tomcat", "seconds": 0.0, "signal": null, "started": ended, "state": "done"});
        place.file(
            &format!("web/gate/jobs/flood-{n:04}.json"),
            &record.to_string(),
            0o600,
            web.account.ids(),
        );
    }
}

fn plugin(monitor: &Monitor) -> (Option<i32>, String) {
    let mut plugin = monitor.as_nagios(&monitor.check.with_file_name("check_repairs"));
    let done = plugin
        .arg("--policy")
        .arg(&monitor.policy)
        .args(["--gate", "web1", "-v"])
        .output()
        .unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

/// Runs `repairctl doctor`. Returns the verdict and the text of each check about the gate's repairs
/// and records.
fn doctor(monitor: &Monitor) -> Vec<(String, String)> {
    let done = monitor.ctl(&["doctor", "--json", "web1"]).output().unwrap();
    let found: Value =
        serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
    let of_web1 =
        found["checks"].as_array().unwrap().iter().filter(|check| check["host"] == json!("web1"));
    let limits = of_web1.filter(|check| {
        check["check"] == json!("can repair") || check["check"] == json!("records")
    });
    limits
        .map(|check| {
            (
                check["verdict"].as_str().unwrap().to_owned(),
                check["text"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[test]
fn plugin_and_doctor_report_used_up_limits_with_their_time() {
    let lab = with_two_repairs();
    let (place, web, monitor) = (&lab.place, &lab.web, &lab.monitor);
    let (code, text) = plugin(monitor);
    assert!(
        code == Some(0) && text.starts_with("REPAIRS OK: the gate of web1 answers in "),
        "{text}"
    );
    let [(verdict, _)] = doctor(monitor).try_into().unwrap();
    assert_eq!(verdict, "ok");

    burn(monitor, web, "httpd");
    let (code, text) = plugin(monitor);
    let used_up = "httpd has used up its budget of 1 in 3600 s; it can run again in ";
    assert!(
        code == Some(1)
            && text.starts_with(&format!("REPAIRS WARNING: the gate of web1: {used_up}3")),
        "{text}"
    );
    let [(verdict, found)] = doctor(monitor).try_into().unwrap();
    assert!(
        verdict == "note"
            && found.starts_with(&format!("httpd cannot run now: the gate reports \"{used_up}3")),
        "{found}"
    );

    burn(monitor, web, "tomcat");
    fill(place, web);
    let (code, text) = plugin(monitor);
    let nearly = "tomcat has used 900 of its 1000 records, and the gate will refuse it when all \
                  are used; the gate frees the next record in 24 h";
    assert!(code == Some(1) && text.contains(&format!("; the gate of web1: {nearly} |")), "{text}");
    let [_, (verdict, found)] = doctor(monitor).try_into().unwrap();
    assert_eq!((verdict.as_str(), found.as_str()), ("note", nearly));
}

#[test]
fn plugin_and_doctor_accept_a_gate_without_usage() {
    let lab = with_two_repairs();
    let (place, web, monitor) = (&lab.place, &lab.web, &lab.monitor);
    // This script simulates a gate that supports all requests except `usage`, the newest one.
    let script = format!(
        "#!/bin/sh\n[ \"$SSH_ORIGINAL_COMMAND\" != usage ] || SSH_ORIGINAL_COMMAND=unknown\nexec \
        {}\n",
        web.gate_command()
    );
    let gate = place.file("web/old_gate", &script, 0o755, None);
    web.allow(&format!("restrict,command=\"{}\"", gate.display()));
    let (code, text) = plugin(monitor);
    assert!(
        code == Some(0) && text.starts_with("REPAIRS OK: the gate of web1 answers in "),
        "{text}"
    );
    let [(verdict, _)] = doctor(monitor).try_into().unwrap();
    assert_eq!(verdict, "ok");
}
