//! Runs the handler as a process. It exits with a code from 0 to 3, prints one line to stdout and
//! nothing to stderr.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

const POLICY: &str = r#"{"repairs": {"httpd": {"ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"], "settle": "0s"}}}"#;

struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        let ledger = site.dir.path().join("ledger.sqlite");
        let policy = POLICY.replacen('{', &format!("{{\"ledger\": {ledger:?}, "), 1);
        fs::write(site.policy(), policy).unwrap();
        site
    }

    fn policy(&self) -> PathBuf {
        self.dir.path().join("policy.json")
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handle_repair"));
        command.args(words.split_whitespace()).arg("--policy").arg(self.policy());
        command
    }

    fn call(&self, words: &str) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&stderr), "", "{words}");
        (status.code().unwrap(), String::from_utf8_lossy(&stdout).into_owned())
    }
}

const FAULT: &str = "CRITICAL HARD 4 --host web1 --service HTTP --repair httpd";

#[test]
fn repairs_in_foreground_and_then_cools_down() {
    let site = Site::new();
    let (code, text) = site.call(&format!("{FAULT} --foreground"));
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("REPAIRED web1/HTTP with httpd in "), "{text}");
    let (code, text) = site.call(&format!("{FAULT} --foreground"));
    assert_eq!(code, 0, "{text}");
    assert!(
        text.starts_with("NO ACTION web1/HTTP (CRITICAL;HARD;4): cooling down after job "),
        "{text}"
    );
}

#[test]
fn ctrl_c_prints_a_line_and_does_not_stop_the_repair() {
    let site = Site::new();
    let at = |name: &str| site.dir.path().join(name);
    let script = format!(
        "#!/bin/sh\n: > {:?}\nuntil [ -e {:?} ]; do sleep 0.1; done\n: > {:?}\n",
        at("begun"),
        at("go"),
        at("done")
    );
    fs::write(at("repair"), script).unwrap();
    let policy = fs::read_to_string(site.policy()).unwrap();
    fs::write(
        site.policy(),
        policy.replacen("\"/bin/true\"", &format!("\"/bin/sh\", {:?}", at("repair")), 1),
    )
    .unwrap();
    let child =
        site.command(&format!("{FAULT} --foreground")).stdout(Stdio::piped()).spawn().unwrap();
    let until = |name: &str| testkit::wait_until(name, || at(name).exists());
    until("begun");
    assert!(
        Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), text.lines().count()), (Some(3), 1), "{text}");
    assert!(
        text.starts_with("UNKNOWN web1/HTTP: ")
            && text.contains("a repair that has begun continues"),
        "{text}"
    );
    fs::write(at("go"), "").unwrap();
    until("done");
}

/// Opening a FIFO would block until a writer opens it, and until then nothing would be reserved or
/// reported.
#[test]
fn rejects_fifo_as_status_file_without_blocking() {
    let site = Site::new();
    let pipe = site.dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let policy = fs::read_to_string(site.policy()).unwrap();
    fs::write(site.policy(), policy.replacen('{', &format!("{{\"status_file\": {pipe:?}, "), 1))
        .unwrap();
    let child =
        site.command(&format!("{FAULT} --foreground")).stdout(Stdio::piped()).spawn().unwrap();
    let output = testkit::output_within(child, Duration::from_secs(60));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.code() == Some(3) && text.contains("is a named pipe, not a regular file"),
        "{text}"
    );
}

#[test]
fn worker_finds_policy_given_by_relative_path() {
    let site = Site::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_handle_repair"));
    command
        .args(FAULT.split(' '))
        .args(["--foreground", "--policy", "policy.json"])
        .current_dir(site.dir.path());
    assert_eq!(command.output().unwrap().status.code(), Some(0));
}

#[test]
fn exit_code_does_not_depend_on_writing_to_stdout() {
    let site = Site::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(
        site.command("OK HARD 1 --host web1 --service HTTP").stdout(full).status().unwrap().code(),
        Some(0)
    );
    let mut child = site
        .command("BROKEN HARD 1 --host web1 --service HTTP")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn reports_usage_error_for_malformed_arguments() {
    let site = Site::new();
    let output = site
        .command("CRITICAL HARD 4 --service HTTP --host")
        .arg(OsStr::from_bytes(b"web\xff"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("nothing was run\n"));
}

#[test]
fn reports_missing_worker_and_runs_nothing() {
    let site = Site::new();
    let alone = site.dir.path().join("bin/handle_repair");
    fs::create_dir(alone.parent().unwrap()).unwrap();
    // Let cp(1) copy the file. If this process wrote it, a child that another test forks could
    // inherit the open descriptor, and executing the file would fail with ETXTBSY.
    assert!(
        Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_handle_repair"))
            .arg(&alone)
            .status()
            .unwrap()
            .success()
    );
    let output = Command::new(&alone)
        .args(FAULT.split(' '))
        .arg("--policy")
        .arg(site.policy())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("the worker is not installed at any of these paths:")
            && text.contains("bin/repair_worker"),
        "{text}"
    );
}

/// If a child kept Nagios' pipe open, the Nagios worker that reads the pipe would stall, and with
/// it all other checks of that worker.
#[test]
fn worker_in_background_does_not_keep_stdout_open() {
    let site = Site::new();
    let go = site.dir.path().join("go");
    let wait = format!("for n in $(seq 600); do [ -e {} ] && break; sleep 0.1; done", go.display());
    let policy = fs::read_to_string(site.policy()).unwrap();
    fs::write(
        site.policy(),
        policy.replacen("[\"/bin/true\"]", &format!("[\"/bin/sh\", \"-c\", {wait:?}]"), 1),
    )
    .unwrap();
    let begun = Instant::now();
    let (code, text) = site.call(FAULT);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("DISPATCHED web1/HTTP: job "), "{text}");
    // `Command::output` returns only when no process holds the pipes any more.
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    fs::write(go, "").unwrap();
}

/// Nagios passes names without escaping them. Their bytes must not act as control characters on a
/// terminal or in a log, or as separators in Nagios' command file.
#[test]
fn accepts_names_with_any_bytes_except_control_characters_and_semicolons() {
    let site = Site::new();
    let call = |service: &[u8]| {
        let mut command = site.command("CRITICAL HARD 4 --host web1 --repair httpd --dry-run");
        let done = command.arg("--service").arg(OsStr::from_bytes(service)).output().unwrap();
        assert!(done.stderr.is_empty());
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
    };
    let (code, text) = call(b"Gr\xf6\xdfe \x9b31m C:\\xfade");
    let spelled = r"WOULD REPAIR web1/Gr\xF6\xDFe \x9B31m C:\x5Cxfade (CRITICAL;HARD;4) with httpd";
    assert_eq!((code, text.trim_end()), (0, spelled));
    for hostile in [
        b"a\xf6\n[1] SHUTDOWN_PROGRAM".as_slice(),
        b"a\xf6\x1b[2J",
        "a\u{9b}31m".as_bytes(),
        b"a\xf6;b",
        b"\xf6\x7f",
    ] {
        let (code, text) = call(hostile);
        assert!(code == 3 && text.contains("--service is '"), "{code} {text}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }
}

#[test]
fn explains_age_of_event_and_repair_that_has_answered_it() {
    let site = Site::new();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let explain = |age: u64| {
        let call = "CRITICAL HARD 4 --host web1 --service HTTP --repair httpd --dry-run --explain";
        site.call(&format!("{call} --seen {}", now - age)).1
    };
    let text = explain(1800);
    assert!(text.starts_with("NO ACTION"), "{text}");
    assert!(text.contains("  age             no: a check found the fault "), "{text}");
    assert!(text.contains("max_event_age is 10 min, and the engine shows no newer"), "{text}");
    assert!(explain(60).contains("  age             ok: a check found the fault "));
    let repair = "CRITICAL HARD 4 --host web1 --service HTTP --repair httpd --foreground";
    assert!(site.call(repair).1.starts_with("REPAIRED"));
    let text = explain(300);
    assert!(text.contains("  answered        no: "), "{text}");
}

#[test]
fn prints_help_and_version() {
    let site = Site::new();
    let (code, help) = site.call("--help");
    assert_eq!(code, 0);
    assert!(help.contains("Exit codes:") && help.contains("Examples:"), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    let (code, version) = site.call("--version");
    assert!(code == 0 && version.starts_with("handle_repair "), "{code} {version}");
}
