//! Runs the plugin on real ledgers, in every state that it reports.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use ledger::{Claim, Ledger, Paused, RepairOutcome};
use policy::{Decision, Event, JobId, ObjectState, Policy, Reason, StateType};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A policy and a ledger for the plugin to check.
struct Site {
    dir: TempDir,
    ledger: Box<dyn Ledger>,
    jobs: u32,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger::open_sqlite(&dir.path().join("ledger.sqlite")).unwrap();
        let site = Site { dir, ledger, jobs: 0 };
        site.write_policy(&json!({"count": 20, "per": "1h"}));
        site
    }

    fn write_policy(&self, started: &Value) {
        let policy = json!({
            "ledger": self.dir.path().join("ledger.sqlite"),
            "fleet": {"started": started},
            "repairs": {"httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["check_http"]}},
        });
        fs::write(self.policy(), policy.to_string()).unwrap();
    }

    fn policy(&self) -> PathBuf {
        self.dir.path().join("policy.json")
    }

    fn check(&self, words: &str) -> (i32, String) {
        let mut plugin = Command::new(env!("CARGO_BIN_EXE_check_repairs"));
        let done = plugin
            .arg("--policy")
            .arg(self.policy())
            .args(words.split_whitespace())
            .output()
            .unwrap();
        assert!(done.stderr.is_empty(), "{done:?}");
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
    }

    fn begin(&mut self, host: &str, minutes_ago: u64, decision: &Decision) -> JobId {
        self.jobs += 1;
        let job: JobId = format!("job-{:05}", self.jobs).parse().unwrap();
        let event = Event::new(host, Some("HTTP"), ObjectState::Critical, StateType::Soft, 3);
        let claim = Claim {
            job: &job,
            event: &event,
            lease: Duration::from_secs(60),
            horizon: Policy::default().horizon(&event),
            observed: None,
        };
        let _ = self.ledger.reserve(&claim, &|| ago(minutes_ago), &|_| decision.clone()).unwrap();
        job
    }

    /// Records a repair that started `minutes_ago` minutes ago and took one minute.
    fn repair(&mut self, host: &str, minutes_ago: u64, outcome: RepairOutcome) {
        let job = self.begin(host, minutes_ago, &granted());
        self.ledger.finish(&job, ago(minutes_ago - 1), outcome, "the check is CRITICAL").unwrap();
    }
}

fn granted() -> Decision {
    Decision::Repair("httpd".parse().unwrap())
}

fn ago(minutes: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(minutes * 60)
}

/// Returns the exit code, the first line without perfdata, and the perfdata.
fn parts((code, text): &(i32, String)) -> (i32, &str, &str) {
    let (words, perfdata) = text.lines().next().unwrap().split_once(" |").unwrap();
    (*code, words, perfdata)
}

#[test]
fn reports_ok_with_all_counters() {
    let mut site = Site::new();
    let output = site.check("");
    assert_eq!(
        parts(&output),
        (
            0,
            "REPAIRS OK: 0 healed, 0 failed, 0 refused in 24 h",
            "healed=0;;;0; failed=0;0;;0; unknown=0;;;0; refused=0;;;0; running=0;;;0;5 \
             paused=0;;;0; breakers=0;;;0; budget=0;16;19;0;20"
        )
    );
    site.repair("web1", 100, RepairOutcome::Healed);
    site.begin("web1", 90, &Decision::NoAction(Reason::Flapping));
    let running = site.begin("web2", 0, &granted());
    let output = site.check("-vv");
    let (code, words, perfdata) = parts(&output);
    assert_eq!((code, words), (0, "REPAIRS OK: 1 healed, 0 failed, 1 refused in 24 h"));
    assert!(
        perfdata.contains("healed=1;;;0;")
            && perfdata.contains("running=1;;;0;5")
            && perfdata.contains("budget=1;"),
        "{perfdata}"
    );
    site.ledger.finish(&running, SystemTime::now(), RepairOutcome::Healed, "").unwrap();
    assert!(site.check("").1.starts_with("REPAIRS OK: 2 healed"));
}

#[test]
fn compares_number_of_failed_repairs_with_thresholds() {
    let mut site = Site::new();
    site.repair("web1", 300, RepairOutcome::NotHealed);
    site.repair("web2", 300, RepairOutcome::CouldNotRun);
    let output = site.check("-v");
    assert_eq!(parts(&output).0, 1);
    assert!(output.1.starts_with("REPAIRS WARNING: 2 repairs failed in 24 h |"), "{}", output.1);
    assert!(
        output.1.contains(
            "\n  web1/HTTP: repair httpd, job job-00001: not-healed: the check is CRITICAL\n"
        ),
        "{}",
        output.1
    );
    assert_eq!(site.check("-w 2").0, 0);
    assert_eq!(site.check("-c 1").0, 2);
    assert_eq!(site.check("--window 2h").0, 0);
    assert!(site.check("-w 1 -c 3").1.contains("failed=2;1;3;0;"));
}

#[test]
fn counts_a_relapsed_repair_as_failed() {
    let mut site = Site::new();
    site.repair("web1", 300, RepairOutcome::Healed);
    site.repair("web1", 287, RepairOutcome::Healed);
    let output = site.check("");
    assert_eq!(parts(&output).1, "REPAIRS WARNING: 1 repair failed in 24 h, 1 of them relapsed");
}

#[test]
fn reports_open_breaker_first() {
    let mut site = Site::new();
    for minutes in [50, 35, 20] {
        site.repair("web1", minutes, RepairOutcome::NotHealed);
    }
    let output = site.check("-v");
    let (code, words, perfdata) = parts(&output);
    assert_eq!(
        (code, words),
        (2, "REPAIRS CRITICAL: the breaker is open for web1/HTTP; 3 repairs failed in 24 h")
    );
    assert!(perfdata.contains("breakers=1;;;0;"));
    assert!(
        output.1.contains(
            "web1/HTTP: the breaker is open because 3 repairs in this incident did not help: it \
             closes after"
        ),
        "{}",
        output.1
    );
}

#[test]
fn alerts_when_fleet_budget_is_nearly_and_fully_used() {
    let mut site = Site::new();
    site.write_policy(&json!({"count": 4, "per": "1h"}));
    for n in 0..3 {
        site.repair(&format!("web{n}"), 30, RepairOutcome::Healed);
    }
    assert_eq!(site.check("").0, 0);
    let output = site.check("--budget-warning 70");
    assert_eq!(
        parts(&output).1,
        "REPAIRS WARNING: the fleet has started 3 of at most 4 repairs in 60 min"
    );
    site.repair("web3", 30, RepairOutcome::Healed);
    let output = site.check("-v");
    assert!(output.0 == 2 && output.1.contains("; repairs are allowed again in "), "{}", output.1);
    assert!(parts(&output).2.ends_with("budget=4;3;3;0;4"), "{}", output.1);
}

#[test]
fn warns_about_used_up_budget_of_object() {
    let mut site = Site::new();
    for n in 0..6 {
        site.repair("web1", 1200 - 180 * n, RepairOutcome::Healed);
    }
    let output = site.check("");
    assert_eq!(parts(&output).1, "REPAIRS WARNING: the budget is used up for web1/HTTP");
}

#[test]
fn warns_about_unknown_outcome() {
    let mut site = Site::new();
    site.repair("web1", 100, RepairOutcome::Unknown);
    assert_eq!(
        parts(&site.check("")).1,
        "REPAIRS WARNING: repairs with an unknown outcome in 24 h: web1/HTTP"
    );

    // Drop the ledger to release the worker's lock, as if the worker had died.
    let mut site = Site::new();
    site.begin("web2", 1, &granted());
    assert_eq!(site.check("").0, 0);
    let Site { dir, ledger, jobs } = site;
    drop(ledger);
    let ledger = ledger::open_sqlite(&dir.path().join("ledger.sqlite")).unwrap();
    let output = Site { dir, ledger, jobs }.check("-v");
    assert!(output.0 == 1 && output.1.contains("running: its worker is dead"), "{}", output.1);
}

#[test]
fn warns_about_pause_until_it_ends() {
    let mut site = Site::new();
    let pause = |host: Option<&str>, until| Paused {
        host: host.map(str::to_owned),
        service: None,
        by: "anna".into(),
        reason: "switch\nreplaced | all night".into(),
        since: ago(10),
        until,
    };
    site.ledger.pause(&pause(None, None)).unwrap();
    site.ledger.pause(&pause(Some("web1"), Some(ago(1)))).unwrap();
    let output = site.check("");
    assert_eq!(
        parts(&output).1,
        "REPAIRS WARNING: everything: paused by anna until repairs are resumed: switch replaced / \
         all night"
    );
    assert!(parts(&output).2.contains("paused=1;;;0;"));
}

#[test]
fn removes_control_characters_from_names() {
    let mut site = Site::new();
    let hostile = "web\x1b[31m|x=9;;; \nREPAIRS OK\u{202e}";
    for minutes in [50, 35, 20] {
        site.repair(hostile, minutes, RepairOutcome::NotHealed);
    }
    let output = site.check("-v");
    assert_eq!(output.0, 2);
    assert_eq!(output.1.matches('|').count(), 1, "{}", output.1);
    assert!(
        output
            .1
            .lines()
            .all(|line| !line.starts_with("REPAIRS OK") && !line.contains(char::is_control)),
        "{}",
        output.1
    );
    assert!(
        output.1.lines().next().unwrap().contains("the breaker is open for web [31m/x=9;;;"),
        "{}",
        output.1
    );
}

#[test]
fn reports_an_unreadable_ledger_as_critical() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let path = site.dir.path().join("ledger.sqlite");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let output = site.check("");
    assert!(
        output.0 == 2 && output.1.starts_with("REPAIRS CRITICAL: nothing is repaired: the ledger "),
        "{}",
        output.1
    );
    fs::write(&path, vec![7; 8192]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(site.check("").0, 2);
    // Before the first repair, a missing ledger is fine, but a missing directory is not.
    fs::remove_file(&path).unwrap();
    assert_eq!(site.check("").0, 0);
    let elsewhere = fs::read_to_string(site.policy())
        .unwrap()
        .replace("ledger.sqlite", "missing/ledger.sqlite");
    fs::write(site.policy(), elsewhere).unwrap();
    assert_eq!(site.check("").0, 2);
}

/// If root has created files next to the ledger, Nagios' user can read the ledger, but its repairs
/// cannot run.
#[test]
fn reports_a_read_only_ledger_as_critical() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    let mut site = Site::new();
    site.repair("web1", 5, RepairOutcome::Healed);
    fs::set_permissions(site.policy(), fs::Permissions::from_mode(0o644)).unwrap();
    let of_nobody = |path: &Path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::read_dir(site.dir.path()).unwrap().for_each(|entry| of_nobody(&entry.unwrap().path()));
    of_nobody(site.dir.path());
    let plugin = site.dir.path().join("check_repairs");
    // Copy with cp(1). If this process wrote the file, a child that another test has just forked
    // could still have it open for writing, and exec would fail with ETXTBSY.
    assert!(
        Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_check_repairs"))
            .arg(&plugin)
            .status()
            .unwrap()
            .success()
    );
    let check = || {
        let done = Command::new(&plugin)
            .arg("--policy")
            .arg(site.policy())
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    assert_eq!(check().0, Some(0), "{}", check().1);
    for name in ["ledger.sqlite.turn", "ledger.sqlite.jobs"] {
        let file = site.dir.path().join(name);
        chown(&file, Some(0), Some(0)).unwrap();
        let (code, text) = check();
        assert!(
            code == Some(2)
                && text.contains(&format!(
                    "nothing is repaired: this user cannot write to {}",
                    file.display()
                )),
            "{text}"
        );
        of_nobody(&file);
    }
    // When root makes a backup, SQLite creates these files as root and changes their owner a moment
    // later. The plugin must not report them in between.
    for name in ["ledger.sqlite-shm", "ledger.sqlite-wal"] {
        let file = site.dir.path().join(name);
        chown(&file, Some(0), Some(0)).unwrap();
        let (code, text) = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                of_nobody(&file);
            });
            check()
        });
        assert_eq!(code, Some(0), "{text}");
    }
    // The plugin must ignore a copy that an admin has made next to the ledger.
    fs::copy(site.dir.path().join("ledger.sqlite"), site.dir.path().join("ledger.sqlite.before"))
        .unwrap();
    assert_eq!(check().0, Some(0), "{}", check().1);
}

#[test]
fn reports_unknown_unless_a_fault_was_measured() {
    let site = Site::new();
    for words in ["-w many", "--no-such-option", "--help", "--version", "--policy /nonexistent"] {
        let (code, text) = site.check(words);
        assert!(code == 3 && !text.is_empty(), "{words}: {code} {text}");
    }
    fs::write(site.policy(), "{").unwrap();
    let (code, text) = site.check("");
    assert!(
        code == 3 && text.starts_with("REPAIRS UNKNOWN: ") && text.contains("policy.json:1:"),
        "{text}"
    );
}

#[test]
fn reports_a_silent_gate_as_critical_in_time() {
    let site = Site::new();
    // Let the peer accept the connection but never answer, so that only the deadline ends the
    // check.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let policy = json!({
        "ledger": site.dir.path().join("ledger.sqlite"),
        "ssh": {"port": silent.local_addr().unwrap().port(), "known_hosts": ["/dev/null"]},
        "repairs": {},
    });
    fs::write(site.policy(), policy.to_string()).unwrap();
    let begun = std::time::Instant::now();
    let output = site.check("--gate web1=127.0.0.1 -t 1");
    assert!(begun.elapsed() < Duration::from_secs(50));
    let (code, words, perfdata) = parts(&output);
    assert!(code == 2 && words.starts_with("REPAIRS CRITICAL: the gate of web1: "), "{}", output.1);
    assert!(perfdata.ends_with(";;;0.000000;1.000000 silent=1;;;0;"), "{}", output.1);
}

#[test]
fn reads_the_ledger_while_a_repair_is_recorded() {
    let mut site = Site::new();
    thread::scope(|scope| {
        let policy = site.policy();
        let writer = scope.spawn(|| {
            (0..50).for_each(|n| site.repair(&format!("web{n}"), 1000, RepairOutcome::Healed))
        });
        while !writer.is_finished() {
            let done = Command::new(env!("CARGO_BIN_EXE_check_repairs"))
                .arg("--policy")
                .arg(&policy)
                .output()
                .unwrap();
            assert_eq!(done.status.code(), Some(0), "{done:?}");
        }
    });
}
