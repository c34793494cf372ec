//! Tests `repairctl ledger` and `doctor` with a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ledger::{Claim, RepairOutcome};
use policy::{Decision, Event, JobId, ObjectState, StateType};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Postgres;

const OLD_LEDGER: &str = include_str!("../../ledger/tests/old/7740e3e.sql");
const DATABASE: &str = "selfheal";

/// A server with an empty database and a role for the programs, and a policy that names both.
struct DatabaseSite {
    database: Postgres,
    dir: TempDir,
}

impl DatabaseSite {
    fn new() -> DatabaseSite {
        let site = DatabaseSite { database: Postgres::start(), dir: tempfile::tempdir().unwrap() };
        site.database.create_database(DATABASE);
        site.database.sql(DATABASE, "CREATE ROLE selfheal LOGIN");
        site.policy(json!({}));
        site
    }

    /// Returns a site whose tables exist.
    fn with_tables() -> DatabaseSite {
        let site = DatabaseSite::new();
        let (code, schema) = site.repairctl(&["ledger", "schema"]);
        assert_eq!(code, 0, "{schema}");
        site.database.sql(DATABASE, &schema);
        site
    }

    /// Writes the policy, with these additional keys of `ledger.postgres`.
    fn policy(&self, more: Value) {
        let socket = format!("{}:{}", self.database.socket_dir().display(), self.database.port);
        let mut postgres = json!({"hosts": [socket], "state": self.dir.path()});
        postgres.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let repairs =
            json!({"httpd": {"ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"]}});
        let policy = json!({"ledger": {"postgres": postgres}, "repairs": repairs});
        fs::write(self.at("policy.json"), policy.to_string()).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs repairctl. Returns its exit code, and its standard output and standard error together.
    fn repairctl(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        let done = command.arg("--policy").arg(self.at("policy.json")).args(args).output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// Returns the verdict, the text and the fix of one of doctor's checks.
    fn doctor(&self, check: &str) -> (String, String, String) {
        let (_, json) = self.repairctl(&["doctor", "--json", "--nagios-user", "root"]);
        let json: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}"));
        let checks = json["checks"].as_array().unwrap();
        let found = checks.iter().find(|found| found["check"] == check);
        let found = found.unwrap_or_else(|| panic!("{json:#}"));
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (text("verdict"), text("text"), text("fix"))
    }
}

#[test]
fn printed_schema_gives_the_role_all_rights_that_it_needs() {
    let site = DatabaseSite::new();
    let (code, text) = site.repairctl(&["history"]);
    assert!(code == 3 && text.contains("repairctl ledger schema"), "{code}: {text}");
    let (verdict, text, fix) = site.doctor("ledger");
    assert_eq!(verdict, "wrong", "{text}");
    assert!(fix.contains("ledger schema") && fix.contains("psql"), "{fix}");

    let site = DatabaseSite::with_tables();
    let (verdict, text, _) = site.doctor("ledger");
    assert_eq!(verdict, "ok", "{text}");
    assert!(text.contains("site main") && text.contains("without TLS"), "{text}");
    let (code, text) = site.repairctl(&["pause", "--for", "1h", "--reason", "storage"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = site.repairctl(&["status"]);
    assert!(text.contains("storage") && text.contains("PostgreSQL database selfheal"), "{text}");
    assert_eq!(code, 1, "{text}");
    // A role without the right to delete pauses cannot end them.
    site.database.sql(DATABASE, "REVOKE DELETE ON selfheal.pause FROM selfheal");
    let (verdict, text, _) = site.doctor("ledger");
    assert!(verdict == "wrong" && text.contains("DELETE ON pause"), "{verdict}: {text}");
}

#[test]
fn migrate_creates_tables_if_the_role_owns_the_database() {
    let site = DatabaseSite::new();
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code != 0 && text.contains("repairctl ledger schema"), "{code}: {text}");
    site.database.sql(DATABASE, "ALTER DATABASE selfheal OWNER TO selfheal");
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 0 && text.contains("now has the current schema"), "{code}: {text}");
    let (code, text) = site.repairctl(&["ledger", "migrate"]);
    assert!(code == 0 && text.contains("already"), "{code}: {text}");
    assert_eq!(site.repairctl(&["history"]).0, 0);
}

#[test]
fn imports_a_sqlite_ledger_once() {
    let site = DatabaseSite::with_tables();
    let file = site.at("ledger.sqlite");
    Connection::open(&file).unwrap().execute_batch(OLD_LEDGER).unwrap();
    testkit::set_mode(&file, 0o600);
    let path = file.to_str().unwrap();
    let (code, text) = site.repairctl(&["ledger", "import", path]);
    assert!(code == 0 && text.contains("imported"), "{code}: {text}");
    let store = Connection::open(&file).unwrap();
    for table in ["repair", "refusal", "step", "pause", "reset"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let old: i64 = store.query_row(&sql, [], |row| row.get(0)).unwrap();
        let new = site.database.sql(DATABASE, &format!("SELECT count(*) FROM selfheal.{table}"));
        assert_eq!(new.trim(), old.to_string(), "{table}");
    }
    let (_, text) = site.repairctl(&["history"]);
    assert!(text.contains("web2") && text.contains("Käse & Brot"), "{text}");
    let (code, text) = site.repairctl(&["ledger", "import", path]);
    assert!(code != 0 && text.contains("already has records"), "{code}: {text}");
}

#[test]
fn import_and_schema_need_a_database_in_the_policy() {
    let site = DatabaseSite::new();
    let policy = json!({"ledger": site.at("ledger.sqlite"), "repairs": {}});
    fs::write(site.at("policy.json"), policy.to_string()).unwrap();
    for words in [&["ledger", "schema"][..], &["ledger", "import", "/old.sqlite"]] {
        let (code, text) = site.repairctl(words);
        assert!(code == 3 && text.contains("ledger.sqlite; name a database"), "{code}: {text}");
    }
}

#[test]
fn doctor_explains_each_problem_with_the_database() {
    let site = DatabaseSite::with_tables();
    let (verdict, text, _) = site.doctor("replicas");
    assert!(verdict == "ok" && text.contains("none"), "{verdict}: {text}");
    let (verdict, text, _) = site.doctor("clock");
    assert_eq!(verdict, "ok", "{text}");

    let standby = Postgres::standby_of(&site.database);
    let (verdict, text, fix) = site.doctor("replicas");
    assert!(verdict == "note" && text.contains("asynchronous"), "{verdict}: {text}");
    assert!(fix.contains("synchronous_standby_names"), "{fix}");
    let hosts = json!([format!("{}:{}", standby.socket_dir().display(), standby.port)]);
    site.policy(json!({"hosts": hosts}));
    let (verdict, text, _) = site.doctor("ledger");
    assert!(verdict == "wrong" && text.contains("accepts no writes"), "{verdict}: {text}");

    let password = site.at("password");
    fs::write(&password, "secret\n").unwrap();
    testkit::set_mode(&password, 0o644);
    site.policy(json!({"password_file": password}));
    let (verdict, text, fix) = site.doctor("ledger");
    assert!(verdict == "wrong" && text.contains("every account can read it"), "{verdict}: {text}");
    assert!(fix.contains("640"), "{fix}");

    testkit::set_mode(&password, 0o640);
    site.policy(json!({"password_file": password}));
    let (verdict, text, _) = site.doctor("ledger");
    assert_eq!(verdict, "ok", "{text}");

    site.policy(json!({}));
    site.database.stop();
    let (verdict, text, fix) = site.doctor("ledger");
    assert!(verdict == "wrong" && fix.contains("systemctl start postgresql"), "{text} {fix}");
}

#[test]
fn doctor_reports_commits_that_a_failover_can_lose() {
    let site = DatabaseSite::with_tables();
    let (verdict, text, _) = site.doctor("commits");
    assert!(verdict == "ok" && text.contains("synchronous_commit is on"), "{verdict}: {text}");
    site.database.sql(DATABASE, "ALTER ROLE selfheal SET synchronous_commit = off");
    let (verdict, text, fix) = site.doctor("commits");
    assert!(verdict == "note" && text.contains("is off for the role selfheal"), "{text}");
    assert!(fix.contains("RESET synchronous_commit"), "{fix}");
    site.database.set("synchronous_standby_names", "'missing'");
    let (verdict, text, fix) = site.doctor("ledger");
    assert!(verdict == "wrong" && text.contains("confirms no commit"), "{verdict}: {text}");
    assert!(fix.contains("start a standby"), "{fix}");
}

#[test]
fn doctor_queries_every_server_of_the_database() {
    let site = DatabaseSite::with_tables();
    let standby = Postgres::standby_of(&site.database);
    let host = |server: &Postgres| format!("{}:{}", server.socket_dir().display(), server.port);
    let both = [host(&site.database), host(&standby)];
    site.policy(json!({"hosts": both}));
    assert_eq!(site.doctor("ledger").0, "ok");
    let (_, json) = site.repairctl(&["doctor", "--json", "--nagios-user", "root"]);
    assert!(!json.contains("nothing shows whether"), "{json}");
    standby.stop();
    let (verdict, text, _) = site.doctor("servers");
    assert!(verdict == "note" && text.contains("nothing shows whether"), "{verdict}: {text}");
    standby.restart();
    standby.promote();
    let recovery = "SELECT pg_is_in_recovery()";
    testkit::wait_until("the promotion", || standby.sql(DATABASE, recovery).trim() == "f");
    let (verdict, text, fix) = site.doctor("ledger");
    let wanted = format!("{} accepts writes in the database selfheal, although", both[0]);
    assert!(verdict == "wrong" && text.contains(&wanted), "{verdict}: {text}");
    assert!(fix.contains("stop PostgreSQL there at once"), "{fix}");
}

#[test]
fn sweep_serves_its_own_server_while_another_server_sweeps() {
    let site = DatabaseSite::with_tables();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let status = format!(
        "info {{\n\tcreated={now}\n\t}}\nprogramstatus {{\n\tenable_event_handlers=1\n\
         \tprogram_start={now}\n\t}}\n"
    );
    fs::write(site.at("status.dat"), status).unwrap();
    fs::write(site.at("objects.cache"), "").unwrap();
    let policy = fs::read_to_string(site.at("policy.json")).unwrap();
    let mut policy: Value = serde_json::from_str(&policy).unwrap();
    policy["status_file"] = json!(site.at("status.dat"));
    fs::write(site.at("policy.json"), policy.to_string()).unwrap();
    let config = policy_file::read(&site.at("policy.json")).unwrap();
    let job: JobId = "dead-worker-1".parse().unwrap();
    let event = Event::new("web1", Some("HTTP"), ObjectState::Critical, StateType::Hard, 4);
    let (lease, horizon) = (Duration::ZERO, config.policy.horizon(&event));
    let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
    let repair = |_: &_| Decision::Repair("httpd".parse().unwrap());
    let mut ledger = ledger::open(&config.ledger).unwrap();
    ledger.reserve(&claim, &SystemTime::now, &repair).unwrap().unwrap();
    // Dropping the ledger releases the lock of the job, as if its worker had died.
    drop(ledger);
    let mut ledger = ledger::open(&config.ledger).unwrap();
    let _sweep_of_another_server = ledger.lock_sweep().unwrap().unwrap();
    let (code, text) = site.repairctl(&["sweep"]);
    assert!(code == 2 && text.contains("another sweep is running"), "{code}: {text}");
    let record = ledger.repair_of(&job).unwrap().unwrap();
    assert_eq!(record.outcome, Some(RepairOutcome::CouldNotRun), "{record:?}");
}

#[test]
#[ignore = "needs: root"]
fn refuses_password_file_of_another_account() {
    let site = DatabaseSite::with_tables();
    let password = site.at("password");
    fs::write(&password, "secret\n").unwrap();
    testkit::set_mode(&password, 0o600);
    std::os::unix::fs::chown(&password, Some(65534), None).unwrap();
    site.policy(json!({"password_file": password}));
    let (verdict, text, fix) = site.doctor("ledger");
    assert!(verdict == "wrong" && text.contains("belongs to uid 65534"), "{verdict}: {text}");
    assert!(fix.contains("root"), "{fix}");
}
