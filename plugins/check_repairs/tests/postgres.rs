//! Runs the plugin with a ledger in a real PostgreSQL that is unavailable, slow, read-only or full.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use policy_file::LedgerConfig;
use serde_json::json;
use tempfile::TempDir;
use testkit::Postgres;

const DATABASE: &str = "selfheal";

/// A database with the tables of the ledger, and a policy that names it.
struct DatabaseSite {
    database: Postgres,
    dir: TempDir,
}

impl DatabaseSite {
    fn new() -> DatabaseSite {
        let site = DatabaseSite { database: Postgres::start(), dir: tempfile::tempdir().unwrap() };
        site.database.create_database(DATABASE);
        site.database.sql(DATABASE, "CREATE ROLE selfheal LOGIN");
        site.write_policy(&[&site.database]);
        let LedgerConfig::Postgres(config) = policy_file::read(&site.policy()).unwrap().ledger
        else {
            panic!("the policy names no database");
        };
        site.database.sql(DATABASE, &ledger::postgres_schema(&config));
        site
    }

    fn write_policy(&self, databases: &[&Postgres]) {
        let host =
            |server: &&Postgres| format!("{}:{}", server.socket_dir().display(), server.port);
        let hosts: Vec<String> = databases.iter().map(host).collect();
        let ledger = json!({"postgres": {"hosts": hosts, "state": self.dir.path()}});
        fs::write(self.policy(), json!({"ledger": ledger, "repairs": {}}).to_string()).unwrap();
    }

    fn policy(&self) -> PathBuf {
        self.dir.path().join("policy.json")
    }

    /// Runs the plugin, which must return CRITICAL, and returns its output.
    fn critical(&self, words: &[&str]) -> String {
        let (code, text) = self.check(words);
        assert_eq!(code, 2, "{text}");
        assert!(text.starts_with("REPAIRS CRITICAL: "), "{text}");
        text
    }

    fn check(&self, words: &[&str]) -> (i32, String) {
        let mut plugin = Command::new(env!("CARGO_BIN_EXE_check_repairs"));
        let done = plugin.arg("--policy").arg(self.policy()).args(words).output().unwrap();
        assert!(done.stderr.is_empty(), "{done:?}");
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
    }
}

#[test]
fn reports_ok_from_a_database() {
    let site = DatabaseSite::new();
    let (code, text) = site.check(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("REPAIRS OK: 0 healed, 0 failed, 0 refused"), "{text}");
}

#[test]
fn database_that_is_away_is_critical() {
    let site = DatabaseSite::new();
    site.database.stop();
    let text = site.critical(&[]);
    assert!(text.contains("nothing is repaired: ") && text.contains(DATABASE), "{text}");
    site.database.restart();
    assert_eq!(site.check(&[]).0, 0);
}

#[test]
fn database_that_is_slow_is_critical_within_the_timeout() {
    let site = DatabaseSite::new();
    let lock = "BEGIN; LOCK TABLE selfheal.repair IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(6)";
    thread::scope(|scope| {
        scope.spawn(|| site.database.sql(DATABASE, lock));
        let count = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'";
        testkit::wait_until("a locked table", || site.database.sql(DATABASE, count) != "0\n");
        let begun = Instant::now();
        let text = site.critical(&["-t", "2"]);
        assert!(text.contains("could not read the ledger"), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}

#[test]
fn standby_is_critical_because_it_accepts_no_writes() {
    let site = DatabaseSite::new();
    let standby = Postgres::standby_of(&site.database);
    site.write_policy(&[&standby]);
    let text = site.critical(&[]);
    assert!(text.contains("accepts no writes"), "{text}");
}

#[test]
fn old_primary_that_came_back_is_critical() {
    let site = DatabaseSite::new();
    let standby = Postgres::standby_of(&site.database);
    site.write_policy(&[&site.database, &standby]);
    assert_eq!(site.check(&[]).0, 0);
    standby.promote();
    let recovery = "SELECT pg_is_in_recovery()";
    testkit::wait_until("the promotion", || standby.sql(DATABASE, recovery) == "f\n");
    let text = site.critical(&[]);
    assert!(text.contains("at once, because it lacks the newest records"), "{text}");
    site.database.stop();
    assert_eq!(site.check(&[]).0, 0);
}

#[test]
fn missing_synchronous_standby_is_critical() {
    let site = DatabaseSite::new();
    site.database.set("synchronous_standby_names", "'missing'");
    let text = site.critical(&[]);
    assert!(text.contains("no synchronous standby answers, so nothing is repaired"), "{text}");
}

#[test]
#[ignore = "needs: root"]
fn database_with_full_disk_is_critical() {
    let site = DatabaseSite::new();
    let disk = SmallDisk::mount(&site.dir.path().join("disk"));
    testkit::set_mode(site.dir.path(), 0o755);
    let place = disk.0.display();
    site.database.sql(DATABASE, &format!("CREATE TABLESPACE small LOCATION '{place}'"));
    site.database.sql(DATABASE, "ALTER TABLE selfheal.refusal SET TABLESPACE small");
    assert_eq!(site.check(&[]).0, 0);
    let filler = disk.0.join("filler");
    assert!(fs::write(&filler, vec![0; 8 << 20]).is_err(), "the disk is not full");
    let text = site.critical(&[]);
    assert!(text.contains("free some space"), "{text}");
    fs::remove_file(filler).unwrap();
    assert_eq!(site.check(&[]).0, 0);
}

/// A mounted tmpfs of 4 MiB that every account can write to.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> SmallDisk {
        fs::create_dir(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m,mode=0700,uid=65534,gid=65534", "tmpfs"]);
        assert!(mount.arg(path).status().unwrap().success());
        SmallDisk(path.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
