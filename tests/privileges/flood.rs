//! Tests how much memory Nagios' user can make root's half use.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::site::{Ended, Site};

/// The highest acceptable memory of root's half, in KiB.
const MOST_MEMORY: u64 = 200 << 10;

/// Runs repairctl as root. Returns how it ended, without its output, and the highest resident
/// memory of root's half in KiB. The memory of Nagios' half does not count.
fn measured(site: &Site, words: &[&str]) -> (Ended, u64) {
    let mut command = Command::new(&site.ctl);
    command.args(site.words(words)).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut highest = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let text = fs::read_to_string(&status_file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        highest = highest.max(kib.unwrap_or(0));
        thread::sleep(Duration::from_millis(2));
    };
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (Ended { code: status.code().unwrap_or(-1), out: String::new(), err }, highest)
}

/// Nagios' user can write any number of short pauses into its ledger. The half that runs as Nagios'
/// user sends the pauses to root's half, where a parsed pause takes many times more memory than its
/// text.
#[test]
fn many_short_values_cost_root_little_memory() {
    let site = Site::new();
    site.ctl(Some(&site.nagios), &["pause", "--reason", "x"]);
    for (pauses, code) in [(70_000, 1), (500_000, 3)] {
        let ledger = site.ledger.join("ledger.sqlite");
        site.nagios.does(|| {
            let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1)
                INSERT OR IGNORE INTO pause SELECT CAST(i AS BLOB), x'', '', '', 0, NULL FROM n";
            Connection::open(&ledger).unwrap().execute(sql, [pauses]).unwrap();
        });
        for words in [&["status", "--json"][..], &["status"]] {
            let (ended, memory) = measured(&site, words);
            assert_eq!(ended.code, code, "{pauses} pauses, {words:?}: {ended:?}");
            assert_eq!(ended.err.contains("narrow the query"), code == 3, "{ended:?}");
            assert!(memory < MOST_MEMORY, "{pauses} pauses, {words:?}: {memory} KiB");
        }
    }
}
