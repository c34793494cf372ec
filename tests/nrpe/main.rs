//! Tests of check_nrpe as a local rung, with a real NRPE: first with a command that repairs by
//! itself, then with the gate as the command.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use e2e::{Lab, Nrpe, Watch, until};
use ledger::{RepairOutcome, StepKind};
use serde_json::{Value, json};

const CALL: &str =
    "CRITICAL SOFT 3 --host web1 --address 127.0.0.1 --service HTTP --repair httpd --foreground";

/// Makes these rungs the ladder of the lab's repair.
fn ladder(lab: &Lab, rungs: &[Value]) {
    lab.policy(|policy| {
        policy["repairs"]["httpd"]["ladder"] = json!(rungs);
        policy["repairs"]["httpd"]["cooldown"] = json!("0s");
    });
}

/// Calls the handler. Returns its exit code and its output.
fn call(lab: &Lab) -> (Option<i32>, String) {
    let done = lab.monitor.call(CALL);
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Returns the recorded steps of the newest repair.
fn steps(lab: &Lab) -> Vec<(StepKind, String)> {
    let steps = lab.monitor.steps(&lab.monitor.records()[0].job);
    steps.into_iter().map(|step| (step.kind, step.text)).collect()
}

#[test]
fn heals_killed_apache_with_plain_nrpe_command() {
    let lab = Lab::new();
    let command = format!("command[repair_httpd]={}\n", lab.web.policy_run.join(" "));
    let nrpe = Nrpe::start(&lab.place, &lab.web.account, &command);
    ladder(&lab, &[nrpe.rung()]);
    lab.web.apache.kill();
    let (code, text) = call(&lab);
    assert_eq!(code, Some(0), "{text}");
    assert!(lab.web.apache.is_listening() && lab.web.jobs().is_empty());
    let steps = steps(&lab);
    let order: Vec<StepKind> = steps.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(order[..3], [StepKind::Begun, StepKind::Ran, StepKind::Verified], "{steps:?}");
    assert!(steps[1].1.contains("check_nrpe:     info: Executing "), "{steps:?}");
}

/// If sudo refuses a command, it prints the reason to stderr, which NRPE does not pass on.
#[test]
fn prints_fix_if_sudo_refuses_the_command() {
    let lab = Lab::new();
    let command = "command[repair_httpd]=/usr/bin/sudo -n -u root /bin/true\n";
    let nrpe = Nrpe::start(&lab.place, &lab.web.account, command);
    ladder(&lab, &[nrpe.rung()]);
    lab.web.apache.kill();
    let (code, text) = call(&lab);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Unable to read output; run the command from nrpe.cfg"), "{text}");
}

/// Nagios calls the handler for the first fault. The second fault comes during the gate's cooldown,
/// which neither NRPE nor a further rung may circumvent.
#[test]
fn gate_behind_nrpe_heals_once_and_refuses_second_repair_within_cooldown() {
    let lab = Lab::new();
    let mut repairs = lab.web.default_repairs();
    repairs["repairs"]["httpd"]["cooldown"] = json!("10m");
    lab.web.write_repairs(&repairs);
    let nrpe = Nrpe::with_gate(&lab.place, &lab.web, "");
    let second_rung = lab.place.at("web/second-rung");
    ladder(&lab, &[nrpe.rung(), json!({"local": ["/usr/bin/touch", second_rung]})]);
    let nagios = lab.nagios(&Watch { retry_interval: 4, ..Watch::default() });

    lab.web.apache.kill();
    let comment = nagios.wait_for_comment("REPAIRED web1/HTTP with httpd");
    assert!(comment.contains(" by rung 1 of 2 (local "), "{comment}");
    until("OK in Nagios", Duration::from_secs(20), || {
        (nagios.service("current_state")? == "0").then_some(())
    });
    let healed = steps(&lab);
    assert!(healed[1].1.starts_with("repair 'httpd' ended with exit 0 after "), "{healed:?}");
    assert_eq!(lab.web.jobs().len(), 1);
    nagios.terminate();

    lab.web.apache.kill();
    let (code, text) = call(&lab);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("the gate refused the repair (cooldown): "), "{text}");
    let records = lab.monitor.records();
    assert_eq!(records[0].outcome, Some(RepairOutcome::Unknown), "{records:?}");
    assert_eq!(steps(&lab)[1].0, StepKind::Unknown);
    assert_eq!(lab.web.jobs().len(), 1);
    assert!(!lab.web.apache.is_listening() && !second_rung.exists());
}

/// NRPE kills its own command at `command_timeout`, but not the gate, which sudo runs as another
/// account. A second rung must not start while the first is still running.
#[test]
fn gate_finishes_repair_that_nrpe_no_longer_waits_for() {
    let lab = Lab::new();
    let done = lab.place.directory("web/slow", lab.web.account.ids()).join("done");
    let script = format!("#!/bin/sh\nsleep 6\n: > {}\n", done.display());
    let script = lab.place.file("web/slow.sh", &script, 0o755, None);
    lab.web.write_repairs(&json!({"repairs": {"httpd": {"run": [script], "timeout": "20s"}}}));
    let nrpe = Nrpe::with_gate(&lab.place, &lab.web, "command_timeout=2\n");
    ladder(&lab, &[nrpe.rung(), nrpe.rung()]);
    lab.web.apache.kill();
    let (code, text) = call(&lab);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.starts_with("OUTCOME UNKNOWN"), "{text}");
    let steps = steps(&lab);
    assert!(steps.iter().filter(|(kind, _)| *kind == StepKind::Begun).count() == 1, "{steps:?}");
    let stopped = "NRPE: Command timed out after 2 seconds; the repair may still be running";
    assert!(steps[1].1.contains(stopped), "{steps:?}");
    until("the end of the repair", Duration::from_secs(20), || done.exists().then_some(()));
    assert_eq!(lab.web.jobs().len(), 1);
}

/// Kills the NRPE processes that are ancestors of a command and handle its connection, the
/// outermost first.
fn close_connection(command: &str) {
    let parent = |pid: &str| {
        let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap();
        stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    let name = |pid: &str| {
        fs::read_to_string(Path::new("/proc").join(pid).join("comm")).unwrap_or_default()
    };
    let shell = parent(command);
    let mut ancestors: Vec<String> = Vec::new();
    let mut pid = parent(&shell);
    while name(&pid).trim() == "nrpe" {
        ancestors.insert(0, pid.clone());
        pid = parent(&pid);
    }
    assert!(!ancestors.is_empty(), "no NRPE above {command}");
    assert!(Command::new("/bin/kill").arg("-KILL").args(ancestors).status().unwrap().success());
}

/// Without the option `-2`, check_nrpe would send the query again when the connection closes
/// without an answer.
#[test]
fn requests_repair_once_if_nrpe_closes_the_connection() {
    let lab = Lab::new();
    let begun = lab.place.directory("web/cut", lab.web.account.ids()).join("begun");
    let script = format!("#!/bin/sh\necho $$ >> {}\nsleep 3\necho done\n", begun.display());
    let script = lab.place.file("web/cut.sh", &script, 0o755, None);
    let command = format!("command[repair_httpd]={}\n", script.display());
    let nrpe = Nrpe::start(&lab.place, &lab.web.account, &command);
    let second_rung = lab.place.at("web/second-rung");
    ladder(&lab, &[nrpe.rung(), json!({"local": ["/usr/bin/touch", second_rung]})]);
    lab.web.apache.kill();
    let runs = || fs::read_to_string(&begun).unwrap_or_default();
    let (code, text) = thread::scope(|scope| {
        scope.spawn(|| {
            let first = until("the command", Duration::from_secs(20), || {
                runs().strip_suffix('\n').map(str::to_owned)
            });
            close_connection(&first);
        });
        call(&lab)
    });
    assert_eq!(code, Some(2), "{text}");
    assert!(text.starts_with("OUTCOME UNKNOWN") && text.contains("header underflow"), "{text}");
    assert_eq!(runs().lines().count(), 1, "{text}");
    assert!(!second_rung.exists(), "{text}");
}
