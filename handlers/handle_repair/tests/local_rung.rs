//! Tests that a local rung keeps its host and its fleet slots reserved until all its processes have
//! ended, even if its worker or its supervisor is killed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const FAULT: &str = "CRITICAL HARD 4 --host web1 --service HTTP --repair httpd --foreground";

/// A directory with a ledger and a policy whose only rung runs the given script.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new(script: &str, timeout: &str) -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        fs::write(site.at("script"), script.replace("DIR", site.dir.path().to_str().unwrap()))
            .unwrap();
        let policy = format!(
            "{{\"ledger\": {:?}, \"repairs\": {{\"httpd\": {{\"ladder\": [{{\"local\": \
             [\"/bin/sh\", {:?}], \"timeout\": {timeout:?}}}], \"verify\": [\"/bin/true\"], \
             \"settle\": \"0s\", \"cooldown\": \"0s\"}}}}}}",
            site.at("ledger.sqlite"),
            site.at("script")
        );
        fs::write(site.at("policy.json"), policy).unwrap();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handle_repair"));
        command.args(FAULT.split_whitespace()).arg("--policy").arg(self.at("policy.json"));
        command.stdin(Stdio::null());
        command
    }

    fn call(&self) -> String {
        String::from_utf8(self.command().output().unwrap().stdout).unwrap()
    }

    /// Starts a repair and waits until its rung has begun.
    fn begin(&self) -> Child {
        let worker = self.command().stdout(Stdio::null()).spawn().unwrap();
        wait_until("the rung has begun", || self.at("begun").exists());
        worker
    }

    /// Returns the process ID of the rung's supervisor, which is the parent of the script.
    fn supervisor(&self) -> String {
        let script = fs::read_to_string(self.at("begun")).unwrap();
        stat(script.trim())[1].clone()
    }
}

/// Returns the fields of /proc/PID/stat from the third on: state, parent, group, session and so on.
fn stat(pid: &str) -> Vec<String> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').map(str::to_owned).collect()
}

fn kill(pid: &str) {
    assert!(Command::new("/bin/kill").args(["-KILL", pid]).status().unwrap().success());
}

fn wait_until(what: &str, ready: impl Fn() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A script that creates the file `begun`, waits for `go`, prints a line and creates `done`.
const WAITS: &str = "echo $$ > DIR/tmp; mv DIR/tmp DIR/begun; \
                     until [ -e DIR/go ]; do sleep 0.02; done; echo going on; : > DIR/done";

#[test]
fn host_stays_reserved_when_worker_is_killed() {
    let site = Site::new(WAITS, "60s");
    let mut worker = site.begin();
    kill(&worker.id().to_string());
    worker.wait().unwrap();
    let refused = site.call();
    assert!(refused.contains("is already running on this host"), "{refused}");
    fs::write(site.at("go"), "").unwrap();
    wait_until("a call that repairs", || site.call().starts_with("REPAIRED"));
    assert!(site.at("done").exists(), "the first repair was stopped");
}

#[test]
fn host_stays_reserved_when_worker_and_supervisor_are_killed() {
    let site = Site::new(WAITS, "60s");
    let mut worker = site.begin();
    let supervisor = site.supervisor();
    kill(&worker.id().to_string());
    worker.wait().unwrap();
    kill(&supervisor);
    let refused = site.call();
    assert!(refused.contains("is already running on this host"), "{refused}");
    fs::write(site.at("go"), "").unwrap();
    wait_until("a call that repairs", || site.call().starts_with("REPAIRED"));
    assert!(site.at("done").exists(), "the first repair was stopped");
}

#[test]
fn worker_waits_for_rung_when_supervisor_is_killed() {
    let site = Site::new(WAITS, "60s");
    let mut worker = site.begin();
    kill(&site.supervisor());
    let refused = site.call();
    assert!(refused.contains("is already running on this host"), "{refused}");
    assert!(worker.try_wait().unwrap().is_none());
    fs::write(site.at("go"), "").unwrap();
    worker.wait().unwrap();
    assert!(site.at("done").exists());
}

/// Scripts that hang: in their own process group, below timeout(1), or in a group that bash creates.
const HANGS: [&str; 3] = [
    "trap '' TERM; sleep 600 & echo $$ > DIR/tmp; mv DIR/tmp DIR/begun; wait",
    "echo $$ > DIR/tmp; mv DIR/tmp DIR/begun; exec timeout 600 sleep 600",
    "echo $$ > DIR/tmp; mv DIR/tmp DIR/begun; exec bash -mc 'sleep 600 & wait'",
];

/// Returns the session ID of the rung.
fn session_of(site: &Site) -> String {
    stat(fs::read_to_string(site.at("begun")).unwrap().trim())[3].clone()
}

fn wait_for_end_of(session: &str) {
    let lives = || {
        let ran = Command::new("pgrep").args(["-s", session]).output().unwrap();
        String::from_utf8(ran.stdout).unwrap().lines().any(|pid| stat_of(pid) != "Z")
    };
    wait_until("all processes of the rung have ended", || !lives());
}

#[test]
fn rung_is_stopped_at_its_deadline_when_worker_was_killed() {
    for script in HANGS {
        let site = Site::new(script, "2s");
        let mut worker = site.begin();
        let session = session_of(&site);
        kill(&worker.id().to_string());
        worker.wait().unwrap();
        wait_for_end_of(&session);
        wait_until("a call that repairs", || site.call().starts_with("REPAIRED"));
    }
}

#[test]
fn next_call_stops_overdue_rung_when_worker_and_supervisor_were_killed() {
    for script in HANGS {
        let site = Site::new(script, "3s");
        let mut worker = site.begin();
        let (supervisor, session) = (site.supervisor(), session_of(&site));
        kill(&worker.id().to_string());
        worker.wait().unwrap();
        kill(&supervisor);
        let refused = site.call();
        assert!(refused.contains("is already running on this host"), "{refused}");
        wait_until("a call that repairs", || site.call().starts_with("REPAIRED"));
        wait_for_end_of(&session);
    }
}

#[test]
fn script_that_signals_its_group_does_not_end_the_supervisor() {
    let site = Site::new("kill 0", "60s");
    let text = site.call();
    assert!(text.starts_with("REPAIRED"), "{text}");
    let (shown, job) = (site.at("policy.json"), text.rsplit("(job ").next().unwrap());
    let job = job.trim_end().trim_end_matches(')').parse().unwrap();
    let mut ledger = ledger::open_sqlite_read_only(&shown.with_file_name("ledger.sqlite")).unwrap();
    let steps = ledger.steps(&job).unwrap();
    assert!(steps.iter().any(|step| step.text.contains("signal 15")), "{steps:?}");
}

/// Returns the state of a process, or `Z` if the process has ended.
fn stat_of(pid: &str) -> String {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.split(' ').next()).unwrap_or("Z").to_owned()
}

#[test]
fn daemon_left_behind_does_not_keep_the_host_reserved() {
    let site = Site::new("sleep 600 & echo $! > DIR/daemon", "60s");
    for _ in 0..2 {
        let text = site.call();
        assert!(text.starts_with("REPAIRED"), "{text}");
        kill(fs::read_to_string(site.at("daemon")).unwrap().trim());
    }
}

/// Creates a site with two rungs. The check fails after the first rung, so that the worker would
/// try the second one.
fn site_with_two_rungs(script: &str) -> Site {
    let site = Site::new(script, "60s");
    let policy = fs::read_to_string(site.at("policy.json")).unwrap();
    let second = format!(", {{\"local\": [\"/usr/bin/touch\", {:?}]}}]", site.at("second"));
    let policy =
        policy.replacen("}]", &format!("}}{second}"), 1).replace("/bin/true", "/bin/false");
    fs::write(site.at("policy.json"), policy).unwrap();
    site
}

/// A program such as check_nrpe can pass on the answer of a gate, and exit with a status that does
/// not match the answer.
#[test]
fn answer_of_a_gate_counts_instead_of_exit_status() {
    let frame = |json: &str| format!("echo; echo 'SHN1 {{\"host\":\"web1\",{json}}}'; exit 3");
    let refused = |reason: &str| {
        frame(&format!(r#""answer":"refused","reason":"{reason}","text":"not now""#))
    };
    let job = |state: &str| {
        let times = r#""exit":null,"signal":9,"seconds":1.5,"started":1,"output":["half","done"]"#;
        let job = r#""answer":"repair","job":"local-1-2","repair":"httpd""#;
        frame(&format!(r#"{job},"state":"{state}",{times}"#))
    };
    // If `message` is `None`, the worker is expected to try the second rung.
    for (script, message) in [
        (refused("held"), Some("the gate refused the repair (held): not now")),
        (refused("unknown-repair"), None),
        (job("failed"), None),
        (job("timeout"), Some("'httpd' was stopped at its timeout after 1.5 s: done")),
        (frame("x"), Some("/bin/sh printed an invalid answer: the answer is malformed")),
        ("echo 'NRPE: Unable to read output'; exit 3".to_owned(), None),
    ] {
        let site = site_with_two_rungs(&script);
        let text = site.call();
        assert!(text.contains(message.unwrap_or_default()), "{script}: {text}");
        assert_eq!(site.at("second").exists(), message.is_none(), "{script}: {text}");
    }
}

/// check_nrpe can send a request twice. The gate then refuses the second request because of the
/// first, whose outcome nobody knows.
#[test]
fn outcome_is_unknown_if_forwarded_refusal_can_follow_a_lost_answer() {
    for reason in ["busy", "cooldown", "budget"] {
        let site = site_with_two_rungs(&format!(
            "echo 'SHN1 {{\"host\":\"web1\",\"answer\":\"refused\",\"reason\":\"{reason}\",\
             \"text\":\"not now\"}}'; exit 3"
        ));
        let text = site.call();
        assert!(text.starts_with("OUTCOME UNKNOWN"), "{text}");
        assert!(
            text.contains(&format!("the gate refused the repair ({reason}): not now")),
            "{text}"
        );
        assert!(!text.contains("check_nrpe") && !site.at("second").exists(), "{text}");
    }
}

/// Makes the first rung run its script under the name check_nrpe, with an argument.
fn name_check_nrpe(site: &Site, argument: &str) {
    fs::rename(site.at("script"), site.at("check_nrpe")).unwrap();
    let policy = fs::read_to_string(site.at("policy.json")).unwrap();
    let named = format!("{:?}, {argument:?}", site.at("check_nrpe"));
    let policy = policy.replace(&format!("{:?}", site.at("script")), &named);
    fs::write(site.at("policy.json"), policy).unwrap();
}

#[test]
fn answer_lost_by_check_nrpe_ends_the_climb_and_prints_fix() {
    for (error, fix) in [
        ("NRPE: Command timed out after 60 seconds", "increase command_timeout"),
        ("CHECK_NRPE STATE OK: Socket timeout after 10 seconds.", "more time with -t"),
        (
            "CHECK_NRPE: Receive header underflow - only 0 bytes received (4 expected).",
            "see NRPE's log",
        ),
    ] {
        for (argument, resends) in [("-3", true), ("-2", false)] {
            for code in [0, 3] {
                let site = site_with_two_rungs(&format!("echo '{error}'; exit {code}"));
                name_check_nrpe(&site, argument);
                let text = site.call();
                assert!(text.starts_with("OUTCOME UNKNOWN"), "{text}");
                assert!(text.contains(error) && text.contains(fix), "{text}");
                assert_eq!(text.contains("add -2 to the arguments"), resends, "{text}");
                assert!(!site.at("second").exists(), "{text}");
            }
        }
    }
}
