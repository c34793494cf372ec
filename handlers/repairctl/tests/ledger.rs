//! Tests `repairctl ledger migrate` with a ledger that commit 7740e3e of this project wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

const OLD_LEDGER: &str = include_str!("../../ledger/tests/old/7740e3e.sql");

struct OldSite(TempDir);

impl OldSite {
    fn new() -> OldSite {
        let site = OldSite(tempfile::tempdir().unwrap());
        let repairs =
            json!({"httpd": {"ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"]}});
        let policy = json!({"ledger": site.at("ledger.sqlite"), "repairs": repairs});
        fs::write(site.at("policy.json"), policy.to_string()).unwrap();
        Connection::open(site.at("ledger.sqlite")).unwrap().execute_batch(OLD_LEDGER).unwrap();
        testkit::set_mode(site.at("ledger.sqlite"), 0o600);
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs repairctl. Returns its exit code, and its standard output and standard error together.
    fn repairctl(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        let done = command.arg("--policy").arg(self.at("policy.json")).args(args).output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8(text).unwrap())
    }
}

#[test]
fn migrates_an_old_ledger_once_and_shows_its_records() {
    let site = OldSite::new();
    let (code, text) = site.repairctl(&["history"]);
    assert!(code == 3 && text.contains("repairctl ledger migrate"), "{code}: {text}");
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 0 && text.contains("ledger.sqlite.schema-1"), "{code}: {text}");
    assert!(site.at("ledger.sqlite.schema-1").exists());
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 0 && text.contains("already"), "{code}: {text}");
    let (_, text) = site.repairctl(&["history"]);
    assert!(text.contains("web2") && text.contains("Käse & Brot"), "{text}");
    let (code, text) = site.repairctl(&["show", "6ab2c001"]);
    assert!(code == 0 && text.contains("power-cycle at hypervisor1"), "{code}: {text}");
    let (_, text) = site.repairctl(&["show", "--json", "6ab2c001"]);
    assert!(text.contains("\"step\": \"notified\""), "{text}");
}

#[test]
fn refuses_migration_while_an_old_worker_is_running() {
    let site = OldSite::new();
    fs::create_dir(site.at("ledger.sqlite.jobs")).unwrap();
    let job = "6ab2c005-4f3a9c2b11d05e05";
    let worker = File::create(site.at("ledger.sqlite.jobs").join(job)).unwrap();
    worker.lock().unwrap();
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 2 && text.contains(job), "{code}: {text}");
    assert!(!site.at("ledger.sqlite.schema-1").exists());
    drop(worker);
    assert_eq!(site.repairctl(&["ledger", "migrate"]).0, 0);
}

#[test]
fn migrate_does_not_create_a_ledger() {
    let site = OldSite::new();
    fs::remove_file(site.at("ledger.sqlite")).unwrap();
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 0 && text.contains("there is no ledger yet"), "{code}: {text}");
    assert!(!site.at("ledger.sqlite").exists());
}

#[test]
fn migrate_rewrites_ledger_that_cannot_shrink() {
    let site = OldSite::new();
    assert_eq!(site.repairctl(&["ledger", "migrate"]).0, 0);
    let store = Connection::open(site.at("ledger.sqlite")).unwrap();
    store.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").unwrap();
    drop(store);
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 0 && text.contains("rewritten"), "{code}: {text}");
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 0 && text.contains("already"), "{code}: {text}");
}
