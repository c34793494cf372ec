//! Tests of cf-runagent as a rung in policy.json, with a real cf-serverd. CFEngine's daemon is an
//! alternative to the gate. Both sides must trust only keys that an admin has exchanged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::{CfServerd, Lab, Watch, until};
use ledger::{RepairOutcome, StepKind};
use serde_json::json;

const CALL: &str =
    "CRITICAL SOFT 3 --host web1 --address 127.0.0.1 --service HTTP --repair httpd --foreground";

/// Starts a lab in which cf-runagent is the only rung.
fn lab() -> (Lab, CfServerd) {
    let lab = Lab::new();
    let serverd = CfServerd::start(&lab.place, &lab.web, &lab.monitor);
    lab.policy(|policy| {
        policy["repairs"]["httpd"]["ladder"] = json!([serverd.rung()]);
        policy["repairs"]["httpd"]["cooldown"] = json!("0s");
    });
    (lab, serverd)
}

#[test]
fn heals_killed_apache_with_cf_runagent() {
    let (lab, serverd) = lab();
    let Lab { monitor, web, place } = &lab;
    serverd.host_trusts_monitor(place);
    serverd.monitor_trusts_host(place);
    let nagios = lab.nagios(&Watch::default());

    web.apache.kill();
    let comment = nagios.wait_for_comment("REPAIRED web1/HTTP with httpd");
    until("OK in Nagios", Duration::from_secs(10), || {
        (nagios.service("current_state")? == "0").then_some(())
    });
    assert!(comment.contains(" by rung 1 of 1 (local "), "{comment}");
    let records = monitor.records();
    assert_eq!((records.len(), records[0].event.as_str()), (1, "CRITICAL;SOFT;3"), "{records:?}");
    assert_eq!(records[0].outcome, Some(RepairOutcome::Healed));
    let steps: Vec<(StepKind, String)> =
        monitor.steps(&records[0].job).into_iter().map(|step| (step.kind, step.text)).collect();
    let order: Vec<StepKind> = steps.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(order[..3], [StepKind::Begun, StepKind::Ran, StepKind::Verified], "{steps:?}");
    assert!(
        steps[1].1.contains("cf-serverd executing cfruncommand: ")
            && steps[1].1.contains("cf-agent -KI -f "),
        "{steps:?}"
    );
    assert!(web.jobs().is_empty(), "the gate received a request");
}

/// First the monitor lacks the host's key, then the host lacks the monitor's key. In both cases,
/// nothing must run, and the record must contain the fix.
#[test]
fn refuses_unexchanged_key_and_prints_fix() {
    let (lab, serverd) = lab();
    let Lab { monitor, web, place } = &lab;
    web.apache.kill();
    let refused = |said: &str, fix: &str| {
        let call = monitor.call(CALL);
        let text = String::from_utf8_lossy(&call.stdout).into_owned();
        assert_eq!(call.status.code(), Some(1), "{text}");
        assert!(text.contains(said) && text.contains(fix), "{text}");
        let record = &monitor.records()[0];
        assert_eq!(record.outcome, Some(RepairOutcome::NotHealed));
        assert!(record.text.contains(fix), "{record:?}");
        assert!(!web.apache.is_listening());
    };
    refused(
        "server presented untrusted key",
        "as nagios: cf-key --trust-key nagios@ADDRESS:web1.pub",
    );
    serverd.monitor_trusts_host(place);
    refused(
        "Connection unexpectedly closed",
        "run there as root: cf-key --trust-key nagios@ADDRESS:nagios.pub",
    );
    let log = fs::read_to_string(&serverd.log).unwrap();
    assert!(log.contains("TRUST FAILED, peer presented an untrusted key"), "{log}");
    assert!(!log.contains("executing cfruncommand"), "{log}");

    serverd.host_trusts_monitor(place);
    let call = monitor.call(CALL);
    assert_eq!(call.status.code(), Some(0), "{call:?}");
    assert!(web.apache.is_listening());
}

#[test]
fn cf_serverd_runs_only_shipped_policy() {
    let (lab, serverd) = lab();
    let Lab { monitor, web, place } = &lab;
    serverd.host_trusts_monitor(place);
    serverd.monitor_trusts_host(place);
    web.apache.kill();
    let words: Vec<String> =
        serverd.runagent().iter().map(|word| word.replace("{address}", "127.0.0.1")).collect();
    let ask = |more: &[&str]| {
        let done =
            monitor.as_nagios(Path::new(&words[0])).args(&words[1..]).args(more).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
    };
    for (more, said) in [
        (["--define-class", "web_server_is_down"], "EXEC denied role activation"),
        (["--remote-bundles", "nothing_else"], "EXEC denied bundle activation"),
    ] {
        let told = ask(&more);
        assert!(told.contains(said) && !told.contains("executing"), "{told}");
    }
    assert!(!web.apache.is_listening());
    let told = ask(&[]);
    assert!(told.contains("web_server: the server was not running and was started"), "{told}");
}
