//! End-to-end tests with real programs. Nagios detects that Apache has died, and the repair
//! succeeds before Nagios notifies anyone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use e2e::{Journal, Lab, Nagios, Watch, reload_and_restart, until};
use ledger::StepKind::{Begun, Evidence, Ran, Verified};
use ledger::{RepairOutcome, StepKind};
use policy::{Decision, Event, Fleet, History, ObjectState, Policy, Rules, decide};
use rustix::process::Signal;
use serde_json::json;

#[test]
fn heals_killed_apache_once_before_hard_state() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    // Leave enough time for a repair between SOFT 3 and HARD, even if the machine also runs other
    // tests.
    let nagios = lab.nagios(&Watch { retry_interval: 4, ..Watch::default() });
    let mut journal = Journal::new(&nagios.log, monitor);

    web.apache.kill();
    let mut seen = Vec::new();
    until("OK in Nagios", Duration::from_secs(60), || {
        seen.extend(journal.news().into_iter().map(|happening| happening.what));
        seen.iter().any(|what| what == "OK").then_some(())
    });
    assert_eq!(
        seen.iter().filter(|what| what.starts_with("SOFT")).collect::<Vec<_>>(),
        ["SOFT 1", "SOFT 2", "SOFT 3"]
    );
    assert!(!seen.iter().any(|what| what.starts_with("HARD")), "{seen:?}");

    // Nagios calls the handler for the recovery as well. Wait for this call, and for any repair
    // that it might wrongly start.
    nagios.wait_for_call("OK;SOFT;4");
    std::thread::sleep(Duration::from_secs(2));
    let records = monitor.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(web.jobs().len(), 1, "the gate received more than one request for a repair");
    assert_eq!(
        (records[0].event.as_str(), records[0].outcome),
        ("CRITICAL;SOFT;3", Some(RepairOutcome::Healed))
    );
    let order = |what: &str| seen.iter().position(|seen| seen == what).unwrap();
    assert!(order("begun") < order("OK"), "{seen:?}");
    nagios.wait_for_comment("REPAIRED web1/HTTP with httpd");
    assert!(
        !nagios.log_lines().iter().any(|line| line.contains("SERVICE NOTIFICATION")),
        "Nagios sent a notification"
    );
    decides_every_call_the_same_way_from_the_log(&nagios);
}

/// The HARD event arrives while the repair is still running or during its cooldown. This event must
/// not start the same repair again.
#[test]
fn does_not_repeat_failed_repair_and_escalates() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    lab.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("10m"));
    web.write_repairs(
        &json!({"repairs": {"httpd": {"run": ["/bin/true"], "timeout": "15s", "cooldown": "1s"}}}),
    );
    let nagios = lab.nagios(&Watch::default());

    web.apache.kill();
    nagios.wait_for_call("CRITICAL;HARD;4");
    nagios.wait_for_comment("NOT REPAIRED web1/HTTP");
    let refused =
        until("the refusal on record", Duration::from_secs(10), || monitor.refusals().pop());
    // Nagios can reach HARD before the repair has finished.
    assert!(["cooling-down", "already-running"].contains(&refused.reason.as_str()), "{refused:?}");
    assert_eq!((monitor.records().len(), web.jobs().len()), (1, 1));
}

/// Apache runs but does not answer. A reload does not help, but a restart does.
#[test]
fn heals_hung_apache_with_second_rung() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    web.write_repairs(&reload_and_restart(&lab.place, web));
    let ladder = json!([{"ssh": "reload"}, {"ssh": "restart"}]);
    lab.policy(|policy| policy["repairs"]["httpd"]["ladder"] = ladder);
    let nagios = lab.nagios(&Watch::default());

    web.apache.signal(Signal::STOP);
    nagios.wait_for_comment("REPAIRED web1/HTTP with httpd");
    let steps: Vec<(StepKind, Option<u32>)> = monitor
        .steps(&monitor.records()[0].job)
        .into_iter()
        .map(|step| (step.kind, step.rung))
        .collect();
    let rung = |n| [(Begun, Some(n)), (Ran, Some(n)), (Verified, Some(n))];
    let wanted = [[(Evidence, None)].as_slice(), &rung(1), &rung(2)].concat();
    assert_eq!(steps[..7], wanted, "{steps:?}");
    assert_eq!(monitor.records()[0].outcome, Some(RepairOutcome::Healed));
    let healed_by = |comment: &String| comment.contains(" by rung 2 of 2 (ssh restart): ");
    assert!(nagios.comments().iter().any(healed_by), "{:?}", nagios.comments());
    until("OK in Nagios", Duration::from_secs(10), || {
        (nagios.service("current_state")? == "0").then_some(())
    });
}

/// A restart cannot fix a broken configuration. The worker escalates the fault with the evidence,
/// and further calls by Nagios start no repair.
#[test]
fn escalates_apache_with_broken_configuration() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    web.write_repairs(&reload_and_restart(&lab.place, web));
    lab.policy(|policy| {
        policy["repairs"]["httpd"] = json!({
            "ladder": [{"ssh": "reload"}, {"ssh": "restart"}], "settle": "0s",
            "verify": policy["repairs"]["httpd"]["verify"],
        });
        policy["check_repairs"] = json!({"host": "web1", "service": "Repairs"});
    });
    let nagios = lab.nagios(&Watch { more: PASSIVE.to_owned(), ..Watch::default() });

    std::fs::copy(&web.apache.config, web.apache.config.with_file_name("kept.conf")).unwrap();
    std::fs::write(&web.apache.config, "ThisIsNoDirective on\n").unwrap();
    web.apache.kill();
    let comment = nagios.wait_for_comment("NOT REPAIRED web1/HTTP");
    assert!(
        comment.contains("; before: ") && comment.contains("ErrorLog"),
        "the evidence is missing: {comment}"
    );
    assert!(
        comment.contains("httpd ran rung 1 of 2 (ssh reload), rung 2 of 2 (ssh restart), but"),
        "the rungs are missing: {comment}"
    );
    until("the passive service", Duration::from_secs(10), || {
        nagios
            .log_lines()
            .iter()
            .any(|line| line.contains("SERVICE ALERT: web1;Repairs;CRITICAL;HARD;1;NOT REPAIRED"))
            .then_some(())
    });
    for _ in 0..20 {
        monitor.call(
            "CRITICAL HARD 4 --host web1 --address 127.0.0.1 --service HTTP --repair \
                      httpd --foreground",
        );
    }
    assert_eq!(monitor.records().len(), 1);
    assert_eq!(web.jobs().len(), 2, "one job for each rung");
}

/// This test repairs a host, not a service. The local rung on the Nagios server does not help, but
/// the rung at the hypervisor's gate does.
#[test]
fn powers_on_host_through_gate_of_hypervisor() {
    let lab = Lab::new();
    let (web, monitor) = (&lab.web, &lab.monitor);
    let power = lab.place.directory("power", web.account.ids()).join("on");
    std::fs::write(&power, "").unwrap();
    web.write_repairs(
        &json!({"repairs": {"power-on": {"run": ["/usr/bin/touch", power], "cooldown": "0s"}}}),
    );
    monitor.record_also(web, "hypervisor1");
    lab.policy(|policy| {
        policy["hosts"] = json!({"hypervisor1": {"address": "127.0.0.1"}});
        policy["repairs"]["power-cycle"] = json!({
            "ladder": [
                {"local": ["/bin/echo", "wake up, {host}"]},
                {"ssh": "power-on", "at": "hypervisor1"},
            ],
            "verify": ["/usr/bin/test", "-e", power], "settle": "0s",
        });
    });
    let alive = lab.place.file(
        "alive.sh",
        &format!("#!/bin/sh\ntest -e {} || exit 2\n", power.display()),
        0o755,
        None,
    );
    let watch = Watch {
        host: " check_command alive\n event_handler handle_host_repair\n check_interval \
        1\n retry_interval 1\n _REPAIR power-cycle",
        more: format!(
            "define command {{\n command_name alive\n command_line {}\n}}\n",
            alive.display()
        ),
        ..Watch::default()
    };
    let nagios = lab.nagios(&watch);

    std::fs::remove_file(&power).unwrap();
    let comment = until("the comment on the host", Duration::from_secs(60), || {
        nagios
            .host_comments()
            .into_iter()
            .find(|comment| comment.starts_with("REPAIRED web1 with power-cycle"))
    });
    assert!(comment.contains(" by rung 2 of 2 (ssh power-on at hypervisor1): "), "{comment}");
    until("UP in Nagios", Duration::from_secs(20), || {
        nagios.log_lines().iter().any(|line| line.contains("HOST ALERT: web1;UP;")).then_some(())
    });
    let records = monitor.records();
    assert_eq!((records.len(), records[0].service.as_deref()), (1, None), "{records:?}");
    // When the service fails, Nagios immediately checks the host too. The repair can therefore
    // start at SOFT 2 or at HARD 3.
    assert!(["DOWN;SOFT;2", "DOWN;HARD;3"].contains(&records[0].event.as_str()), "{records:?}");
    assert_eq!((records[0].outcome, web.jobs().len()), (Some(RepairOutcome::Healed), 1));
    let local = monitor.steps(&records[0].job).into_iter().find(|step| step.kind == Ran).unwrap();
    assert!(local.text.ends_with("wake up, web1"), "{}", local.text);
}

const PASSIVE: &str = "define command {\n command_name none\n command_line /bin/true\n}
define service {\n host_name web1\n service_description Repairs\n check_command \
none\n active_checks_enabled 0
 check_period always\n notification_period always\n contacts pager\n max_check_attempts 1\n}\n";

/// Checks that the log alone leads to the same decisions as the real calls. A log line looks like
/// `SERVICE EVENT HANDLER: web1;HTTP;CRITICAL;SOFT;3;handle_repair`.
fn decides_every_call_the_same_way_from_the_log(nagios: &Nagios) {
    let rules = Rules::with_ladder(Vec::new());
    let policy =
        Policy { repairs: [("httpd".parse().unwrap(), rules)].into(), fleet: Fleet::default() };
    let lines = nagios.log_lines();
    let calls =
        lines.iter().filter_map(|line| line.split_once("SERVICE EVENT HANDLER: web1;HTTP;"));
    let decided: Vec<(String, bool)> = calls
        .map(|(_, call)| {
            let fields: Vec<&str> = call.split(';').collect();
            let (state, state_type) =
                (ObjectState::of_service(fields[0]).unwrap(), fields[1].parse().unwrap());
            let event = Event {
                max_attempts: Some(4),
                repair: Some("httpd".parse().unwrap()),
                ..Event::new("web1", Some("HTTP"), state, state_type, fields[2].parse().unwrap())
            };
            let decision = decide(&event, &policy, &History::default());
            (fields[..3].join(";"), matches!(decision, Decision::Repair(_)))
        })
        .collect();
    let decided: Vec<(&str, bool)> =
        decided.iter().map(|(call, repairs)| (call.as_str(), *repairs)).collect();
    assert_eq!(
        decided,
        [
            ("CRITICAL;SOFT;1", false),
            ("CRITICAL;SOFT;2", false),
            ("CRITICAL;SOFT;3", true),
            ("OK;SOFT;4", false)
        ]
    );
}
