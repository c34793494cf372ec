//! End-to-end tests with the real Icinga 2, Apache, sshd and gate. Everything that the programs
//! know about Icinga 2 comes through its API.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod doctor;
mod lint;

use std::thread;
use std::time::Duration;

use e2e::{Icinga2Lab, Lab, reload_and_restart, until};
use ledger::{RepairOutcome, StepKind};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Starts Icinga 2 and selects it in the policy, which `change` can change further.
pub fn start(lab: &Lab, retry_interval: u32, change: impl FnOnce(&mut Value)) -> Icinga2Lab {
    start_with(lab, retry_interval, "", change)
}

/// Starts Icinga 2 like [`start`], with additional objects.
fn start_with(
    lab: &Lab,
    retry_interval: u32,
    objects: &str,
    change: impl FnOnce(&mut Value),
) -> Icinga2Lab {
    let icinga2 = Icinga2Lab::start(&lab.place, &lab.monitor, &lab.web, retry_interval, objects);
    lab.policy(|policy| {
        policy.as_object_mut().unwrap().remove("command_file");
        policy["icinga2"] = icinga2.policy_key();
        change(policy);
    });
    icinga2
}

#[test]
fn heals_killed_apache_once_before_hard_state() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    // Leave enough time for a repair between SOFT 3 and HARD.
    let icinga2 = start(&lab, 4, |_| ());
    let before = icinga2.service("HTTP").unwrap()["last_hard_state_change"].clone();

    web.apache.kill();
    icinga2.wait_for_comment("REPAIRED web1/HTTP with httpd");
    let service = icinga2.wait_for_state("HTTP", 0);
    assert_eq!(service["last_hard_state"], 0, "{service}");
    // Icinga 2 also calls the handler for the recovery. Wait for any repair that it might wrongly
    // start.
    thread::sleep(Duration::from_secs(2));
    let records = monitor.records();
    assert_eq!((records.len(), web.jobs().len()), (1, 1), "{records:?}");
    assert_eq!(
        (records[0].event.as_str(), records[0].outcome),
        ("CRITICAL;SOFT;3", Some(RepairOutcome::Healed))
    );
    let steps = monitor.steps(&records[0].job);
    let notified = steps.iter().find(|step| step.kind == StepKind::Notified).unwrap();
    assert_eq!(notified.text, "Icinga 2");
    assert!(before.as_f64() <= service["last_hard_state_change"].as_f64(), "{before}");
}

/// Apache runs but does not answer. A reload does not help, but a restart does.
#[test]
fn heals_hung_apache_with_second_rung() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    web.write_repairs(&reload_and_restart(&lab.place, web));
    let ladder = json!([{"ssh": "reload"}, {"ssh": "restart"}]);
    let icinga2 = start(&lab, 1, |policy| policy["repairs"]["httpd"]["ladder"] = ladder);

    web.apache.signal(Signal::STOP);
    let comment = icinga2.wait_for_comment("REPAIRED web1/HTTP with httpd");
    assert!(comment.contains(" by rung 2 of 2 (ssh restart): "), "{comment}");
    assert_eq!(monitor.records()[0].outcome, Some(RepairOutcome::Healed));
    icinga2.wait_for_state("HTTP", 0);
}

/// A restart cannot fix a broken configuration. The worker escalates the fault with the evidence in
/// a comment and with a passive result, and further calls start no repair.
#[test]
fn escalates_apache_with_broken_configuration() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    web.write_repairs(&reload_and_restart(&lab.place, web));
    let icinga2 = start(&lab, 1, |policy| {
        policy["repairs"]["httpd"] = json!({
            "ladder": [{"ssh": "reload"}, {"ssh": "restart"}], "settle": "0s",
            "verify": policy["repairs"]["httpd"]["verify"],
        });
        policy["check_repairs"] = json!({"host": "web1", "service": "Repairs"});
    });

    std::fs::copy(&web.apache.config, web.apache.config.with_file_name("kept.conf")).unwrap();
    std::fs::write(&web.apache.config, "ThisIsNoDirective on\n").unwrap();
    web.apache.kill();
    let comment = icinga2.wait_for_comment("NOT REPAIRED web1/HTTP");
    assert!(comment.contains("; before: ") && comment.contains("ErrorLog"), "{comment}");
    let repairs = icinga2.wait_for_state("Repairs", 2);
    let output = repairs["last_check_result"]["output"].as_str().unwrap();
    assert!(output.starts_with("NOT REPAIRED web1/HTTP"), "{output}");
    icinga2.wait_for_hard_state("HTTP", 2);
    thread::sleep(Duration::from_secs(1));
    assert_eq!((monitor.records().len(), web.jobs().len()), (1, 2), "one job for each rung");
}

/// The macros of an event show neither an acknowledgement nor a downtime that comes after it, so
/// the worker must get both from the API. While the problem is acknowledged, the sweep must leave
/// the service alone. Afterwards, the sweep must repair the service.
#[test]
fn waits_for_acknowledgements_and_sweeps_missed_repairs() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    let icinga2 = start(&lab, 1, |_| ());
    let ctl = |words: &[&str]| {
        let done = monitor.ctl(words).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        (done.status.code(), text.into_owned())
    };
    let (code, text) = ctl(&["explain", "web1", "HTTP"]);
    assert!(code == Some(0) && text.contains("OK;HARD;1 of 4, host UP; _REPAIR httpd"), "{text}");
    let (_, text) = ctl(&["explain", "web1", "FTP"]);
    assert!(text.contains("Icinga 2 does not know web1/FTP; services of web1: HTTP"), "{text}");

    assert_eq!(ctl(&["pause", "--reason", "test"]).0, Some(0));
    web.apache.kill();
    icinga2.wait_for_hard_state("HTTP", 2);
    until("the refusal", Duration::from_secs(20), || monitor.refusals().pop());
    let problem = json!({"type": "Service", "service": "web1!HTTP", "author": "lab",
        "comment": "working on it"});
    icinga2.request("actions/acknowledge-problem", &problem);
    assert_eq!(ctl(&["resume"]).0, Some(0));
    let (code, text) = ctl(&["sweep", "--dry-run"]);
    assert!(text.contains("acknowledged"), "{code:?} {text}");
    let (_, text) = ctl(&["explain", "web1", "HTTP"]);
    assert!(text.contains("CRITICAL;HARD;1 of 4, host UP, acknowledged"), "{text}");

    icinga2.request("actions/remove-acknowledgement", &problem);
    let (code, text) = ctl(&["sweep"]);
    assert_eq!(code, Some(0), "{text}");
    icinga2.wait_for_state("HTTP", 0);
    assert_eq!(monitor.records()[0].outcome, Some(RepairOutcome::Healed));
    let (code, text) = ctl(&["status"]);
    assert!(code == Some(0) && text.contains("0 of 1 objects with a repair"), "{text}");
}

/// This test repairs a host, not a service. The host's name contains a blank, a quote and a letter
/// that is not ASCII.
#[test]
fn powers_on_host_whose_name_needs_quotes() {
    let lab = Lab::new();
    let monitor = &lab.monitor;
    let power = lab.place.directory("power", monitor.nagios.ids()).join("on");
    std::fs::write(&power, "").unwrap();
    // To Icinga 2, a host is UP if its plugin exits with 0 or 1.
    let script = format!("#!/bin/sh\ntest -e {} || exit 2\n", power.display());
    let alive = lab.place.file("alive.sh", &script, 0o755, None);
    let objects = format!(
        "object CheckCommand \"alive\" {{ command = [ \"{}\" ] }}\n\
         object Host \"Größe 'x'\" {{\n import \"repairable-host\"\n check_command = \"alive\"\n \
         check_interval = 1s\n retry_interval = 1s\n max_check_attempts = 3\n \
         vars.repair = \"power\"\n}}\n",
        alive.display()
    );
    let icinga2 = start_with(&lab, 1, &objects, |policy| {
        policy["repairs"]["power"] = json!({
            "ladder": [{"local": ["/usr/bin/touch", power]}], "settle": "0s",
            "verify": ["/usr/bin/test", "-e", power],
            "on": ["DOWN"],
        });
    });

    std::fs::remove_file(&power).unwrap();
    icinga2.wait_for_comment("REPAIRED Größe 'x' with power");
    let host = || icinga2.request("objects/hosts", &json!({"host": "Größe 'x'"}))[0].clone();
    until("UP in Icinga 2", Duration::from_secs(20), || {
        (host().pointer("/attrs/state")?.as_f64() == Some(0.0)).then_some(())
    });
    let records = monitor.records();
    assert_eq!((records.len(), records[0].service.as_deref()), (1, None), "{records:?}");
    assert_eq!(records[0].event, "DOWN;SOFT;2");
}

/// Icinga 2 calls the handler even if a parent is DOWN, but then a repair could not reach the host.
#[test]
fn repairs_nothing_behind_a_parent_that_is_down() {
    let lab = Lab::new();
    let monitor = &lab.monitor;
    let objects = "object Host \"router\" {\n check_command = \"dummy\"\n vars.dummy_state = 2\n \
                   check_interval = 1s\n max_check_attempts = 1\n}\n\
                   object Dependency \"path\" {\n parent_host_name = \"router\"\n \
                   child_host_name = \"web1\"\n child_service_name = \"HTTP\"\n}\n";
    let icinga2 = start_with(&lab, 1, objects, |_| ());
    until("unreachable in Icinga 2", Duration::from_secs(20), || {
        (icinga2.service("HTTP")?["last_reachable"] == false).then_some(())
    });
    lab.web.apache.kill();
    icinga2.wait_for_hard_state("HTTP", 2);
    let refusal = until("the refusal", Duration::from_secs(20), || monitor.refusals().pop());
    assert_eq!(refusal.reason.as_str(), "host-not-up", "{refusal:?}");
    let done = monitor.ctl(&["sweep", "--dry-run"]).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(text.contains("the host is UNREACHABLE"), "{text}");
    assert_eq!((monitor.records().len(), lab.web.jobs().len()), (0, 0));
}

/// Without an answer from the API, the worker cannot know whether the fault has been acknowledged,
/// so it must repair nothing.
#[test]
fn repairs_nothing_without_an_answer_of_the_api() {
    let lab = Lab::new();
    let monitor = &lab.monitor;
    start(&lab, 1, |policy| policy["icinga2"]["url"] = json!("https://localhost:1"));
    let call = "CRITICAL HARD 1 --host web1 --service HTTP --repair httpd --foreground";
    let done = monitor.call(call);
    let text = String::from_utf8_lossy(&done.stdout);
    assert_eq!(done.status.code(), Some(3), "{text}");
    assert!(text.contains("cannot query Icinga 2's API") && text.contains("nothing"), "{text}");
    assert_eq!((monitor.records().len(), lab.web.jobs().len()), (0, 0));
}
