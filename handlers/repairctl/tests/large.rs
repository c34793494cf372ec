//! Tests the output for a large ledger. Lists are printed in parts. Counts and long tables are
//! limited, and the output names the command that prints the rest.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{copy_program, set_mode};

/// UID of the user Nagios runs as in these tests: nobody.
const NAGIOS: u32 = 65534;
const REPAIRS: usize = 1300;
const REFUSALS: usize = 10_400;

struct Site {
    dir: TempDir,
}

impl Site {
    /// Creates a ledger that belongs to the user `nobody`. It has one repair and eight refusals per
    /// minute, on 130 hosts. Every tenth repair was escalated.
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        set_mode(site.dir.path(), 0o755);
        fs::create_dir(site.at("ledger")).unwrap();
        let policy = json!({"ledger": site.at("ledger/ledger.sqlite"), "repairs": {"httpd": {
            "ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"],
        }}});
        fs::write(site.at("policy.json"), policy.to_string()).unwrap();
        copy_program(env!("CARGO_BIN_EXE_repairctl"), site.at("repairctl"));
        drop(ledger::open_sqlite(&site.at("ledger/ledger.sqlite")).unwrap());
        site.fill();
        set_mode(site.at("ledger"), 0o750);
        let files = fs::read_dir(site.at("ledger")).unwrap().map(|file| file.unwrap().path());
        std::iter::once(site.at("ledger"))
            .chain(files)
            .for_each(|place| chown(place, Some(NAGIOS), Some(NAGIOS)).unwrap());
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn fill(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let minutes = |n: usize| i64::try_from(now).unwrap() - i64::try_from(n).unwrap() * 60_000;
        let mut store = Connection::open(self.at("ledger/ledger.sqlite")).unwrap();
        let transaction = store.transaction().unwrap();
        for n in 1..=REPAIRS {
            let outcome = match n % 30 {
                0 => "unknown",
                10 => "could-not-run",
                20 => "not-healed",
                _ => "healed",
            };
            let sql = "INSERT INTO repair VALUES (?1, '', '', ?2, x'48545450', 'httpd', '', \
                       'CRITICAL;SOFT;3', ?3, ?3, 1, NULL, NULL, ?3 + 1000, ?4, 'text')";
            let host = format!("web{}", n % 130).into_bytes();
            let row = params![format!("job-{n:05}"), host, minutes(n), outcome];
            transaction.execute(sql, row).unwrap();
        }
        for n in 1..=REFUSALS {
            let sql = "INSERT INTO refusal (at, job, site, server, host, service, event, reason, \
                       text) VALUES (?1, '', '', '', x'77656231', x'48545450', '', ?2, '')";
            let reason = if n % 2 == 0 { "flapping" } else { "breaker-open" };
            transaction.execute(sql, params![minutes(1 + n / 8), reason]).unwrap();
        }
        transaction.commit().unwrap();
    }

    fn said_to(&self, uid: u32, words: &[&str]) -> String {
        let mut command = Command::new(self.at("repairctl"));
        command.arg("--policy").arg(self.at("policy.json")).args(words).uid(uid).gid(uid);
        let done = command.env("TZ", "Etc/UTC").output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{words:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn json(&self, uid: u32, words: &[&str]) -> Value {
        serde_json::from_str(&self.said_to(uid, &[words, &["--json"]].concat())).unwrap()
    }
}

#[test]
fn lists_more_records_than_fit_into_a_part() {
    let site = Site::new();
    for words in [
        &["history", "--limit", "0", "--json"][..],
        &["history", "--refused", "--limit", "0", "--json"],
        &["history", "--limit", "0"],
    ] {
        assert_eq!(site.said_to(0, words), site.said_to(NAGIOS, words), "{words:?}");
    }
    let jobs = |words: &[&str]| -> Vec<String> {
        let list = site.json(0, words);
        let jobs = list["repairs"].as_array().unwrap().iter();
        jobs.map(|repair| repair["job"].as_str().unwrap().to_owned()).collect()
    };
    let all: Vec<String> = (1..=REPAIRS).map(|n| format!("job-{n:05}")).collect();
    assert_eq!(jobs(&["history", "--limit", "0"]), all);
    assert_eq!(jobs(&["history", "--limit", "1100"]), all[..1100]);
    assert_eq!(jobs(&["history"]), all[..50]);
    assert_eq!(site.said_to(0, &["history", "--limit", "0"]).lines().count(), 1 + REPAIRS);
    let printed = site.said_to(0, &["history", "--limit", "2", "--json"]);
    let value: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, format!("{value:#}\n"), "the form of all other commands");
}

#[test]
fn counts_newest_refusals_only() {
    let site = Site::new();
    let counted = |words: &[&str]| {
        let list = site.json(0, &[&["history", "--refused"], words].concat());
        let counts = list["counts"].as_array().unwrap().iter();
        let sum: u64 = counts.map(|count| count["count"].as_u64().unwrap()).sum();
        (list["refusals"].as_array().unwrap().len(), sum, list["complete"].as_bool().unwrap())
    };
    assert_eq!(counted(&[]), (50, 10_000, false));
    assert_eq!(counted(&["--limit", "10200"]), (10_200, 10_200, false));
    assert_eq!(counted(&["--limit", "10400"]), (10_400, 10_400, true));
    assert_eq!(counted(&["--limit", "0"]), (10_400, 10_400, true));
    assert!(counted(&["--since", "90m", "--limit", "3"]).2);
    let command = format!(
        "{} --policy {} history --limit 1",
        site.at("repairctl").display(),
        site.at("policy.json").display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let shown = String::from_utf8(script.output().unwrap().stdout).unwrap();
    let footer = "The newest 10000 refusals: 5001 breaker-open, 4999 flapping";
    assert!(shown.contains(footer), "{shown}");
}

/// The number of counts is limited, because the counts for all objects of a large site would take
/// hundreds of megabytes.
#[test]
fn lists_all_refusals_but_counts_at_most_ten_thousand_objects() {
    let site = Site::new();
    let store = Connection::open(site.at("ledger/ledger.sqlite")).unwrap();
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
        INSERT INTO refusal (at, job, site, server, host, service, event, reason, text)
        SELECT (SELECT min(at) FROM refusal) - i, '', '', '', CAST('cold' || i AS BLOB), x'', '',
            'flapping', '' FROM n";
    store.execute(sql, ()).unwrap();
    let list = site.json(NAGIOS, &["history", "--refused", "--limit", "0"]);
    let counts = list["counts"].as_array().unwrap();
    let sum: u64 = counts.iter().map(|count| count["count"].as_u64().unwrap()).sum();
    assert_eq!(list["refusals"].as_array().unwrap().len(), REFUSALS + 12_000);
    assert_eq!((counts.len(), list["complete"].as_bool()), (10_000, Some(false)));
    assert_eq!(usize::try_from(sum).unwrap(), REFUSALS + 10_000 - 2, "the newest refusals");
}

#[test]
fn report_cuts_long_tables_and_names_the_command_for_the_rest() {
    let site = Site::new();
    let page = site.said_to(0, &["report", "--since", "2d", "--html", "-"]);
    let rows = page.matches("<th scope=\"row\">web").count();
    assert!(rows < 150 && page.len() < 500_000, "{rows} rows, {} bytes", page.len());
    assert!(page.contains("130 hosts"), "the number of all hosts");
    assert!(page.contains("These are the 100 hosts with the most repairs."));
    let mail = site.said_to(0, &["report", "--since", "2d", "--text"]);
    let command = mail.split_once("repairctl ").unwrap().1.replace("\\\n", "");
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(&words[..3], ["history", "--outcome", "escalated"]);
    let escalated = site.json(0, &words);
    assert_eq!(escalated["repairs"].as_array().unwrap().len(), REPAIRS / 10, "{command}");
}
