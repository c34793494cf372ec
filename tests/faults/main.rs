//! Tests in which something goes wrong, with a real sshd and the real gate. Each test checks the
//! message, the exit code, the record and how long the call takes, and that no forbidden repair
//! runs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bed;
mod handler;
mod kills;
mod ledger_fails;
mod live;
mod nagios;
mod on_record;
mod status;
mod turned_away;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bed::{Bed, CALL};
use e2e::{Place, free_port, run};
use ledger::RepairOutcome;
use serde_json::{Value, json};

#[test]
fn refuses_wrong_host_key() {
    let bed = Bed::new();
    let other = bed.web.host_key("ecdsa");
    let stranger = fs::read_to_string(bed.web.key().with_extension("pub")).unwrap();
    bed.monitor.record_host_key(&bed.web, stranger.trim());
    bed.could_not_run("find out whether the host was reinstalled");
    // The handler must accept any of the host's genuine keys. The other tests record the host's
    // Ed25519 key, so record its ECDSA key here.
    bed.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("0s"));
    bed.monitor.record_host_key(&bed.web, &other);
    assert_eq!(bed.call(CALL).code, 0);
    assert!(bed.mark.exists());
}

#[test]
fn refuses_unknown_host_and_explains_trust() {
    let bed = Bed::new();
    bed.monitor.record_host_key(&bed.web, "");
    bed.could_not_run("`repairctl trust web1`");
}

#[test]
fn reports_key_that_host_rejects() {
    let bed = Bed::new();
    bed.web.allow("restrict,command=\"/bin/false\",from=\"192.0.2.99\"");
    bed.could_not_run("refused key");
}

#[test]
fn refuses_key_file_readable_by_others() {
    let bed = Bed::new();
    fs::set_permissions(bed.monitor.key(), fs::Permissions::from_mode(0o644)).unwrap();
    bed.could_not_run("id_ed25519");
}

#[test]
fn reports_host_without_sshd() {
    let bed = Bed::new();
    bed.sshd_is_at(free_port());
    bed.could_not_run("cannot connect to web1");
}

#[test]
fn gives_up_on_silent_sshd_at_deadline() {
    let bed = Bed::new();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    bed.sshd_is_at(silent.local_addr().unwrap().port());
    bed.could_not_run("no answer from web1");
}

#[test]
fn quotes_refusal_of_gate() {
    let bed = Bed::new();
    bed.web.write_repairs(&json!({"repairs": {"other": {"run": ["/bin/true"]}}}));
    bed.could_not_run("unknown-repair");
}

#[test]
fn gate_refuses_group_writable_repairs_file() {
    let bed = Bed::new();
    fs::set_permissions(&bed.web.repairs, fs::Permissions::from_mode(0o664)).unwrap();
    bed.could_not_run("repairs.json");
}

#[test]
fn distinguishes_failed_repair_from_ineffective_repair() {
    let bed = Bed::new();
    bed.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("0s"));
    bed.web.apache.kill();
    bed.repair_is(&["/bin/false"]);
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 1, "{}", seen.text);
    assert!(
        seen.text.starts_with("NOT REPAIRED web1/HTTP")
            && seen.text.contains("'httpd' ended with exit 1"),
        "{}",
        seen.text
    );
    assert_eq!(bed.monitor.records()[0].outcome, Some(RepairOutcome::NotHealed));

    bed.repair_is(&["/bin/true"]);
    bed.wait_for_the_gates_cooldown();
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 1, "{}", seen.text);
    assert!(
        seen.text.contains("the fault is still there") && seen.text.contains("Connection refused"),
        "{}",
        seen.text
    );
    assert!(!seen.text.contains("exit 1"), "{}", seen.text);
}

#[test]
fn gate_stops_hanging_repair() {
    let bed = Bed::new();
    bed.web.apache.kill();
    bed.repair_is(&["/bin/sleep", "60"]);
    let seen = bed.call(CALL);
    // The outcome is unknown, because the gate kills only the repair's process group. Other
    // processes that the repair has started can still be running.
    assert_eq!(seen.code, 2, "{}", seen.text);
    assert!(seen.text.starts_with("OUTCOME UNKNOWN"), "{}", seen.text);
    assert!(seen.text.contains("stopped at its timeout"), "{}", seen.text);
}

/// Adds a second rung, which creates a file on the Nagios server. Returns the path of this file.
fn with_a_stronger_rung(bed: &Bed) -> std::path::PathBuf {
    let strong = bed.mark.with_file_name("strong");
    bed.policy(|policy| {
        let touch = ["/usr/bin/touch", strong.to_str().unwrap()];
        policy["repairs"]["httpd"]["ladder"] = json!([{"ssh": "httpd"}, {"local": touch}]);
        policy["repairs"]["httpd"]["cooldown"] = json!("0s");
    });
    // Nagios' user and the gate's account create files in this directory.
    fs::set_permissions(bed.mark.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    strong
}

#[test]
fn runs_no_stronger_rung_on_held_host() {
    let bed = Bed::new();
    bed.web.apache.kill();
    let strong = with_a_stronger_rung(&bed);
    fs::write(bed.web.repairs.with_file_name("hold"), "").unwrap();
    bed.could_not_run("held");
    assert!(!strong.exists(), "a stronger rung was run");
    fs::remove_file(bed.web.repairs.with_file_name("hold")).unwrap();
    // The stronger rung runs only after the first rung has run and the service is still broken.
    bed.repair_is(&["/bin/true"]);
    assert_eq!(bed.call(CALL).code, 1);
    assert!(strong.exists());
}

#[test]
fn runs_no_stronger_rung_after_inconclusive_check() {
    let bed = Bed::new();
    let strong = with_a_stronger_rung(&bed);
    let mut policy: Value =
        serde_json::from_str(&fs::read_to_string(&bed.monitor.policy).unwrap()).unwrap();
    policy["repairs"]["httpd"]["verify"] = json!(["chek_http", "-H", "{address}"]);
    bed.monitor.write_policy(&policy);
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 3, "{}", seen.text);
    assert!(seen.text.contains("'chek_http'") && !bed.mark.exists(), "{}", seen.text);

    policy["repairs"]["httpd"]["verify"] = json!([bed.monitor.check, "--no-such-option"]);
    bed.monitor.write_policy(&policy);
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 2, "{}", seen.text);
    assert!(
        seen.text.contains("is inconclusive") && bed.mark.exists() && !strong.exists(),
        "{}",
        seen.text
    );
}

#[test]
fn never_accepts_an_answer_that_is_not_from_the_gate() {
    let bed = Bed::new();
    for command in ["/bin/echo done", "/bin/true", "/bin/echo SHN1 {}"] {
        bed.policy(|policy| {
            policy["repairs"]["httpd"]["cooldown"] = json!("0s");
            policy["repairs"]["httpd"]["verify"] = json!(["/bin/false"]);
            policy["repairs"]["httpd"]["timeout"] = json!("1s");
        });
        bed.web.allow(&format!("restrict,command=\"{command}\""));
        let seen = bed.call(CALL);
        assert_eq!(seen.code, 2, "{command}: {}", seen.text);
        assert!(seen.text.starts_with("OUTCOME UNKNOWN"), "{command}: {}", seen.text);
        assert_eq!(bed.monitor.records()[0].outcome, Some(RepairOutcome::Unknown));
    }
}

#[test]
fn reaches_gate_through_ssh_program() {
    let bed = Bed::new();
    bed.policy(|policy| policy["hosts"] = json!({"web1": {"transport": "openssh"}}));
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 0, "{}", seen.text);
    assert!(bed.mark.exists());

    bed.policy(|policy| {
        policy["hosts"] = json!({"web1": {"transport": "openssh"}});
        policy["repairs"]["httpd"]["cooldown"] = json!("0s");
    });
    fs::remove_file(&bed.mark).unwrap();
    bed.monitor.record_host_key(
        &bed.web,
        fs::read_to_string(bed.web.key().with_extension("pub")).unwrap().trim(),
    );
    bed.could_not_run("nothing was run");
}

/// A rung can use another host's gate, for example the gate of a virtual machine's hypervisor.
#[test]
fn repairs_host_at_gate_of_another_host() {
    let bed = Bed::new();
    bed.policy(|policy| {
        policy["hosts"] = json!({"web1": {"address": "127.0.0.1"}});
        policy["repairs"]["httpd"]["ladder"] = json!([{"ssh": "httpd", "at": "web1"}]);
        policy["repairs"]["httpd"]["verify"] = json!(["/bin/true"]);
    });
    let seen = bed.call("DOWN HARD 3 --host vm1 --address 192.0.2.1 --repair httpd --foreground");
    assert_eq!(seen.code, 0, "{}", seen.text);
    assert!(seen.text.starts_with("REPAIRED vm1 with httpd") && bed.mark.exists(), "{}", seen.text);
    assert_eq!(bed.monitor.records()[0].service, None);
}

#[test]
fn second_call_during_repair_does_nothing() {
    let bed = Bed::new();
    let go = bed.hold_repair();
    bed.policy(|policy| policy["repairs"]["httpd"]["timeout"] = json!("40s"));
    let first = bed.call(&CALL.replace(" --foreground", ""));
    assert_eq!(first.code, 0);
    assert!(first.text.starts_with("DISPATCHED web1/HTTP"), "{}", first.text);
    e2e::until("the first repair on record", Duration::from_secs(10), || {
        (!bed.monitor.records().is_empty()).then_some(())
    });
    let second = bed.call(CALL);
    assert_eq!(second.code, 0);
    assert!(
        second.text.starts_with("NO ACTION") && second.text.contains("is already running"),
        "{}",
        second.text
    );
    fs::write(&go, "").unwrap();
    e2e::until("the first repair's end", Duration::from_secs(10), || {
        bed.monitor.records()[0].outcome
    });
    assert_eq!(bed.monitor.records().len(), 1);
    assert_eq!(bed.web.jobs().len(), 1, "the gate ran another job");
}

/// A service manager can kill the worker together with Nagios. The next call must learn from the
/// gate's record how the repair ended, so that the host does not stay locked.
#[test]
fn next_call_closes_record_of_killed_worker() {
    let bed = Bed::new();
    let go = bed.hold_repair();
    bed.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("0s"));
    bed.call(&CALL.replace(" --foreground", ""));
    e2e::until("the gate at work", Duration::from_secs(10), || {
        (bed.web.jobs().len() == 1).then_some(())
    });
    // Match the path of the policy, so that workers started by other tests survive.
    run(Command::new("pkill").args(["-KILL", "-f", "-u", "nagios"]).arg(&bed.monitor.policy));

    let running = bed.call(CALL);
    assert!(
        running.text.contains("is already running"),
        "the gate still runs it: {}",
        running.text
    );
    fs::write(&go, "").unwrap();
    bed.wait_for_the_gates_cooldown();
    let next = bed.call(CALL);
    assert!(next.text.starts_with("REPAIRED web1/HTTP"), "{}", next.text);
    let records = bed.monitor.records();
    assert_eq!((records.len(), records[1].outcome), (2, Some(RepairOutcome::Unknown)));
    let died = "the worker of this repair died; the gate reports: repair 'httpd' ended with exit 0";
    assert!(records[1].text.contains(died), "{}", records[1].text);
}

/// A limit of two processes leaves room only for the worker and the rung's supervisor. The
/// supervisor cannot start the program, so the program never runs unsupervised.
#[test]
fn runs_nothing_unsupervised_at_process_limit() {
    let (place, uid) = (Place::new(), 54321);
    let site = place.directory("site", Some((uid, uid)));
    let mark = site.join("mark");
    let (handler, _) = (place.program("handle_repair"), place.program("repair_worker"));
    let repair = json!({"ladder": [{"local": ["/usr/bin/touch", mark]}], "verify": ["/bin/true"]});
    let policy =
        json!({"ledger": site.join("ledger.sqlite"), "repairs": {"httpd": repair}}).to_string();
    let policy = place.file("policy.json", &policy, 0o644, None);
    let mut crowded = Command::new("setpriv");
    crowded
        .args(["--reuid=54321", "--regid=54321", "--clear-groups", "prlimit", "--nproc=2:2"])
        .arg(handler);
    let output =
        crowded.args(CALL.split_whitespace()).arg("--policy").arg(policy).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        text.starts_with("COULD NOT REPAIR web1/HTTP with httpd: cannot run /usr/bin/touch"),
        "{text}"
    );
    assert!(!mark.exists());
}

#[test]
fn invalid_input_runs_and_writes_nothing() {
    let bed = Bed::new();
    let broken = bed.monitor.policy.with_file_name("broken.json");
    fs::write(&broken, "{\"repairs\": {\"httpd\": {\"ladder\": 1}}}").unwrap();
    for (arguments, wanted) in [
        ("CRITICAL SOFT --host web1 --service HTTP", "ATTEMPT"),
        ("CRITICAL SOFT three --host web1 --service HTTP", "'three'"),
        ("CRITICAL FIRM 3 --host web1 --service HTTP", "'FIRM'"),
        ("BROKEN SOFT 3 --host web1 --service HTTP", "'BROKEN'"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --repair ../x", "'../x'"),
        ("CRITICAL SOFT 3 --service HTTP", "--host"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --repair nosuch", "no repair 'nosuch'"),
    ] {
        let seen = bed.call(arguments);
        assert_eq!(seen.code, 3, "{arguments}: {}", seen.text);
        assert!(
            seen.text.contains(wanted) && seen.text.lines().count() == 1,
            "{arguments}: {}",
            seen.text
        );
    }
    for (policy, wanted) in [
        (broken.as_path(), "broken.json:1:"),
        (Path::new("/nonexistent/policy.json"), "/nonexistent/policy.json"),
    ] {
        let words = CALL.split_whitespace();
        let output = bed
            .monitor
            .as_nagios(&bed.monitor.handler)
            .args(words)
            .arg("--policy")
            .arg(policy)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(wanted) && text.lines().count() == 1, "{text}");
    }
    assert!(!bed.monitor.ledger.exists(), "a rejected call has created a ledger");

    fs::write(&bed.monitor.ledger, "this is no ledger").unwrap();
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 3, "{}", seen.text);
    assert!(
        seen.text.contains("ledger.sqlite") && seen.text.contains("nothing was run"),
        "{}",
        seen.text
    );
    assert_eq!(fs::read_to_string(&bed.monitor.ledger).unwrap(), "this is no ledger");
    assert!(!bed.mark.exists());
}

#[test]
fn dry_run_explains_decision_and_does_nothing() {
    let bed = Bed::new();
    let dry = |event: &str| {
        let seen = bed.call(&format!(
            "{event} --host web1 --service HTTP --repair httpd --dry-run --explain"
        ));
        assert_eq!(seen.code, 0, "{}", seen.text);
        seen.text
    };
    for (event, first, why) in [
        ("CRITICAL SOFT 3", "WOULD REPAIR web1/HTTP", "rung 1"),
        ("CRITICAL HARD 4", "WOULD REPAIR web1/HTTP", "verifies with"),
        ("OK HARD 4", "NO ACTION", "nothing to repair"),
        ("WARNING HARD 4", "NO ACTION", "repairs only for CRITICAL"),
        ("CRITICAL SOFT 1", "NO ACTION", "too early"),
        ("CRITICAL SOFT 3 --host-state DOWN", "NO ACTION", "host is DOWN"),
        ("CRITICAL SOFT 3 --downtime 1", "NO ACTION", "service is in downtime"),
        ("CRITICAL SOFT 3 --host-downtime 1", "NO ACTION", "host is in downtime"),
        ("CRITICAL SOFT 2 --max-attempts 3", "WOULD REPAIR", "the last SOFT attempt"),
    ] {
        let text = dry(event);
        assert!(text.starts_with(first) && text.contains(why), "{event}: {text}");
    }
    assert!(!bed.mark.exists() && !bed.monitor.ledger.exists());
}
