//! Counts with strace(1) how many times a repair waits for the disk.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::json;
use tempfile::TempDir;

struct Site(TempDir);

impl Site {
    fn new() -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        let repair = json!({
            "ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"], "settle": "0s",
        });
        let policy = json!({"ledger": site.at("ledger.sqlite"), "repairs": {"httpd": repair}});
        fs::write(site.at("policy.json"), policy.to_string()).unwrap();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a worker that repairs a service on `host` with a `local` rung. The worker's output must
    /// start with `verdict`. Returns the names of the files that the worker has flushed to disk, in
    /// order.
    fn flushed(&self, host: &str, job: &str, verdict: &str) -> Vec<String> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-qq", "-e", "trace=fsync,fdatasync", "-o"]).arg(self.at("trace"));
        strace.arg(env!("CARGO_BIN_EXE_repair_worker"));
        strace.args(["CRITICAL", "HARD", "4", "--host", host, "--service", "HTTP"]);
        strace.args(["--repair", "httpd", "--job", job, "--policy"]);
        let done = strace.arg(self.at("policy.json")).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(text.starts_with(verdict), "{done:?}");
        let trace = fs::read_to_string(self.at("trace")).unwrap();
        let calls = trace.lines().filter_map(|line| line.split_once("sync(")?.1.split_once('>'));
        calls.map(|(path, _)| path.rsplit('/').next().unwrap().to_owned()).collect()
    }
}

#[test]
fn flushes_reservation_rung_and_outcome_only() {
    let site = Site::new();
    drop(ledger::open_sqlite(&site.at("ledger.sqlite")).unwrap());
    let directory = site.0.path().file_name().unwrap().to_str().unwrap();
    let log = "ledger.sqlite-wal";
    // SQLite creates the write-ahead log and flushes the log's directory entry. Three commits
    // follow. Finally, the last process to close the ledger writes the log back into the ledger.
    let alone = [log, directory, log, log, log, log, "ledger.sqlite"];
    assert_eq!(site.flushed("web1", "test-job-0001", "REPAIRED"), alone);
    // While another process has the ledger open, a process that closes it does not write the log
    // back into it.
    let mut other = ledger::open_sqlite(&site.at("ledger.sqlite")).unwrap();
    assert!(other.pauses(SystemTime::now()).unwrap().is_empty());
    site.flushed("web2", "test-job-0002", "REPAIRED");
    let repaired = site.flushed("web3", "test-job-0003", "REPAIRED");
    assert_eq!(repaired, [log, directory, log, log]);
    assert!(site.flushed("web3", "test-job-0004", "NO ACTION").is_empty());
}
