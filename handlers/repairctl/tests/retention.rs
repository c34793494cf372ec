//! Tests that the sweep deletes the records that the policy no longer keeps.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use ledger::Filter;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

const DAY: u64 = 24 * 3600;

struct Site(TempDir);

impl Site {
    /// Creates a site without faults. `more` contains additional keys for its policy.
    fn new(more: &Value) -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        let mut policy = json!({
            "ledger": site.at("ledger.sqlite"), "status_file": site.at("status.dat"),
            "repairs": {"httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["/bin/true"]}},
        });
        policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fs::write(site.at("policy.json"), policy.to_string()).unwrap();
        site.write_status(seconds());
        fs::write(site.at("objects.cache"), "").unwrap();
        drop(ledger::open_sqlite(&site.at("ledger.sqlite")).unwrap());
        site
    }

    /// Writes a status file whose creation time, as recorded in the file, is `now`.
    fn write_status(&self, now: u64) {
        let status = format!(
            "info {{\n\tcreated={now}\n\t}}\nprogramstatus {{\n\tenable_event_handlers=1\n\
             \tprogram_start={now}\n\t}}\n"
        );
        fs::write(self.at("status.dat"), status).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Adds 1,200 refusals and one repair, all of them `days` old, directly to the database file.
    fn record(&self, days: u64) {
        let store = Connection::open(self.at("ledger.sqlite")).unwrap();
        let at = i64::try_from((seconds() - days * DAY) * 1000).unwrap();
        let refusals = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1200)
            INSERT INTO refusal (at, job, site, server, host, service, event, reason, text)
            SELECT ?1, ?1 || i, '', '', x'77', x'', '', 'flapping', '' FROM n";
        store.execute(refusals, [at]).unwrap();
        let repair = "INSERT INTO repair SELECT 'job-' || ?1, '', '', x'77', x'', 'httpd', '', '',
            ?1, ?1, 1, NULL, NULL, ?1, 'healed', ''";
        store.execute(repair, [at]).unwrap();
    }

    /// Runs a sweep. Returns how many repairs and refusals are left.
    fn sweep(&self) -> (usize, usize) {
        let mut repairctl = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        let done = repairctl.arg("--policy").arg(self.at("policy.json")).arg("sweep").output();
        let text = String::from_utf8(done.unwrap().stdout).unwrap();
        assert!(text.contains("no object with a repair has a HARD problem"), "{text}");
        let mut ledger = ledger::open_sqlite_read_only(&self.at("ledger.sqlite")).unwrap();
        let all = Filter::default();
        (ledger.repairs(&all).unwrap().len(), ledger.refused(&all).unwrap().len())
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn sweep_deletes_what_the_policy_no_longer_keeps() {
    let site = Site::new(&json!({"keep": {"repairs": "200d"}}));
    [10, 100, 300].into_iter().for_each(|days| site.record(days));
    assert_eq!(site.sweep(), (2, 1200));
}

#[test]
fn sweep_keeps_all_repairs_by_default() {
    let site = Site::new(&json!({}));
    [10, 3000].into_iter().for_each(|days| site.record(days));
    assert_eq!(site.sweep(), (2, 1200));
}

#[test]
fn sweep_deletes_nothing_if_the_status_file_or_the_records_show_a_wrong_clock() {
    let site = Site::new(&json!({"keep": {"repairs": "200d"}}));
    [10, 300].into_iter().for_each(|days| site.record(days));
    // The clock differs too much from the time at which Nagios wrote the status file. The limit is
    // 600 s. A time in the future needs a margin, because it comes closer while the test runs.
    for written in [seconds() - 601, seconds() + 1200] {
        site.write_status(written);
        assert_eq!(site.sweep(), (2, 2400));
    }
    let site = Site::new(&json!({"keep": {"repairs": "200d"}}));
    [31, 300].into_iter().for_each(|days| site.record(days));
    assert_eq!(site.sweep(), (2, 2400));
}
