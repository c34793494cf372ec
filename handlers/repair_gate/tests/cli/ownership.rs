//! Tests that the gate accepts repairs.json only if nobody but root can change it, because this
//! file decides which commands run as root.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::process::Command;

use crate::common::{GATE, GateLab, GateResult, JOB};
use serde_json::json;

#[track_caller]
fn refused(lab: &GateLab, reason: &str, part: &str) {
    let answer = lab.request(&format!("repair touch {JOB}"));
    let text = answer.refused(reason);
    assert!(text.contains(part), "{text}");
    assert!(!lab.marker().exists());
}

#[test]
fn refuses_file_or_directory_writable_by_others_with_the_fix() {
    for (name, mode) in [
        ("etc/repairs.json", 0o664),
        ("etc/repairs.json", 0o646),
        ("etc", 0o775),
        ("etc", 0o757),
        ("etc", 0o1775),
    ] {
        let lab = GateLab::new();
        lab.chmod(name, mode);
        refused(
            &lab,
            "config",
            &format!("chmod go-w '{}'", lab.path(name).display().to_string().trim_end_matches('/')),
        );
    }
}

#[test]
fn does_not_suggest_chmod_for_shared_directory() {
    let lab = GateLab::new();
    lab.chmod("etc", 0o1777);
    refused(&lab, "config", "(mode 1777): keep the gate's files in another directory");
}

#[test]
fn refuses_writable_ancestor_directory() {
    let lab = GateLab::new();
    lab.chmod("", 0o777);
    lab.request("list").refused("config");
    refused(&lab, "state", "chmod go-w");
}

#[test]
fn refuses_file_or_directory_of_another_account() {
    for name in ["etc/repairs.json", "etc"] {
        let lab = GateLab::new();
        chown(lab.path(name), Some(65534), None).unwrap();
        refused(&lab, "config", &format!("chown root '{}'", lab.path(name).display()));
    }
}

#[test]
fn does_not_follow_symlinks() {
    let lab = GateLab::new();
    fs::rename(lab.config(), lab.path("etc/real.json")).unwrap();
    symlink(lab.path("etc/real.json"), lab.config()).unwrap();
    refused(&lab, "config", "not a regular file");

    let lab = GateLab::new();
    fs::rename(lab.path("etc"), lab.path("real")).unwrap();
    symlink(lab.path("real"), lab.path("etc")).unwrap();
    refused(&lab, "config", "not a directory");
}

#[test]
fn refuses_fifo_or_directory_without_blocking() {
    let lab = GateLab::new();
    fs::remove_file(lab.config()).unwrap();
    refused(&lab, "config", "No such file");
    assert!(Command::new("/usr/bin/mkfifo").arg(lab.config()).status().unwrap().success());
    refused(&lab, "config", "not a regular file");
    fs::remove_file(lab.config()).unwrap();
    fs::create_dir(lab.config()).unwrap();
    refused(&lab, "config", "not a regular file");
}

#[test]
fn refuses_relative_paths_and_paths_with_dots() {
    for path in ["etc/repairs.json", "/run/../etc/repairs.json", "repairs.json", "/"] {
        let output = Command::new(GATE)
            .args(["--config", path])
            .env("SSH_ORIGINAL_COMMAND", "list")
            .output()
            .unwrap();
        GateResult::of(&output).refused("config");
    }
}

#[test]
fn every_request_except_version_reports_an_invalid_file() {
    let lab = GateLab::new();
    for (text, place) in [
        ("{\"repairs\": {\"touch\": {\"run\": [\"/bin/true\"],,}}}", "repairs.json:1:"),
        (
            "{\"repairs\": {\"touch\": {\"run\": [\"/bin/true\"], \"timeuot\": \"1s\"}}}",
            "repairs.json: repairs.touch.timeuot: unknown key",
        ),
        (
            "{\"repairs\": {\"touch\": {\"run\": [\"/bin/true\"], \"run\": [\"/bin/true\"]}}}",
            "repairs.json:1:",
        ),
        ("\u{feff}{\"repairs\": {}}", "repairs.json:1:"),
        (&" ".repeat(300_000), "larger than"),
    ] {
        lab.config_text(text);
        refused(&lab, "config", place);
        lab.request("list").refused("config");
        lab.request("diagnose touch").refused("config");
        assert_eq!(lab.request("version").code, 0);
        let check = lab.run_by_hand(&["check"]);
        assert_eq!(check.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&check.stderr).contains(place));
    }
    fs::write(lab.config(), b"{\"repairs\": {\"\xff\": 1}}").unwrap();
    refused(&lab, "config", "UTF-8");
}

#[test]
fn reports_known_job_even_with_invalid_file() {
    let lab = GateLab::new();
    lab.request(&format!("repair touch {JOB}")).is("done");
    lab.chmod("etc/repairs.json", 0o666);
    lab.request(&format!("repair touch {JOB}")).is("done");
    lab.request(&format!("status {JOB}")).is("done");
    lab.request("repair touch 20261123-another").refused("config");
}

#[test]
fn maintenance_file_stops_repairs_and_names_its_owner() {
    let lab = GateLab::new();
    fs::write(lab.path("etc/hold"), "kernel update, back at six\x1b[2J\nmore").unwrap();
    assert!(
        Command::new("/usr/bin/touch")
            .args(["-d", "2026-11-23 05:00:00 UTC"])
            .arg(lab.path("etc/hold"))
            .status()
            .unwrap()
            .success()
    );
    let answer = lab.request(&format!("repair touch {JOB}"));
    let text = answer.refused("held");
    assert!(text.contains("by root since 2026-11-23 05:00:00 UTC"), "{text}");
    assert!(text.contains(": kernel update, back at six?[2J"), "{text}");
    assert!(!lab.marker().exists() && lab.state_files().is_empty());
    fs::remove_file(lab.path("etc/hold")).unwrap();
    lab.request(&format!("repair touch {JOB}")).is("done");
    symlink("/nonexistent", lab.path("etc/hold")).unwrap();
    lab.request("repair touch 20261123-another").refused("held");
    lab.request(&format!("repair touch {JOB}")).is("done");
    assert_eq!(lab.request("diagnose touch").json["reports"], json!([]));
}

#[test]
fn check_lists_repairs_and_warns_of_unsafe_programs() {
    let lab = GateLab::new();
    fs::copy("/bin/true", lab.path("mine")).unwrap();
    lab.chmod("mine", 0o777);
    let budget = json!({"count": 2, "window": "1h"});
    lab.repairs(&json!({
        "a": {"run": ["/nonexistent/x"]},
        "b": {"run": [lab.path("mine")], "as": "root", "budget": budget},
    }));
    let check = lab.run_by_hand(&["check"]);
    let text = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    for part in [
        "a: /nonexistent/x (as the gate's account",
        "/nonexistent/x cannot be used",
        "chmod go-w",
        "at most 2 runs in 3600 s",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn visudo_accepts_the_sudoers_file() {
    let lab = GateLab::new();
    lab.repairs(&json!({"a": {"run": ["/usr/bin/x", "--a=b:c,d", "{x}@%~+"], "as": "root",
        "diagnose": [["/usr/bin/y", "-n", "50"]]}, "b": {"run": ["/bin/true"], "as": "www-data"}}));
    let output = lab.run_by_hand(&["sudoers"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    fs::write(lab.path("sudoers"), &output.stdout).unwrap();
    lab.chmod("sudoers", 0o440);
    let visudo =
        Command::new("/usr/sbin/visudo").arg("-cf").arg(lab.path("sudoers")).output().unwrap();
    assert!(visudo.status.success(), "{visudo:?}\n{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(lab.run_by_hand(&["sudoers", "a b"]).status.code(), Some(3));
}
