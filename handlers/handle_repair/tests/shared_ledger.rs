//! Tests the worker with a ledger in PostgreSQL, which several servers share.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use handle_repair::cli;
use handle_repair::worker;
use ledger::{Claim, RepairOutcome, RungStart};
use policy::{Decision, Event, JobId, ObjectState, StateType};
use policy_file::{Config, LedgerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Postgres, copy_program, set_mode, wait_until};

const NOBODY: u32 = 65534;

/// A database, and the policies of the servers that share it.
struct SharedSite {
    server: Arc<Postgres>,
    dir: TempDir,
    database: String,
}

impl SharedSite {
    fn new() -> SharedSite {
        let server = Postgres::shared();
        let dir = tempfile::tempdir().unwrap();
        let mut site = SharedSite { server, dir, database: "postgres".into() };
        let LedgerConfig::Postgres(config) = site.policy("schema", &json!({})).ledger else {
            panic!("the policy names no database");
        };
        let role = "CREATE ROLE selfheal LOGIN;\n";
        let schema = format!("{role}{}", ledger::postgres_schema(&config));
        site.database = site.server.database_with(&schema);
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a policy file for the server `name`, with `rung` as its only rung, and returns the
    /// policy that the programs read from this file.
    fn policy(&self, name: &str, rung: &Value) -> Config {
        let state = self.at(name);
        fs::create_dir(&state).unwrap();
        let host = format!("{}:{}", self.server.socket_dir().display(), self.server.port);
        let repair = json!({"ladder": [rung], "verify": ["/bin/true"], "settle": "0s"});
        let policy = json!({
            "ledger": {"postgres": {
                "hosts": [host], "dbname": self.database, "state": state, "server": name,
            }},
            "repairs": {"httpd": repair},
        });
        let policy = policy.to_string().replace("[{}]", r#"[{"local": ["/bin/true"]}]"#);
        fs::write(self.file(name), policy).unwrap();
        policy_file::read(&self.file(name)).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.at(&format!("{name}.json"))
    }

    /// Runs an SQL query and returns the only value of its result.
    fn sql(&self, sql: &str) -> String {
        let sql = format!("SET search_path = selfheal; {sql}");
        self.server.sql(&self.database, &sql).trim().to_owned()
    }
}

#[test]
fn claims_nothing_about_processes_of_another_server() {
    let site = SharedSite::new();
    let [here, there] = ["nagios1", "nagios2"].map(|name| site.policy(name, &json!({})));
    for (n, config) in [&here, &there].into_iter().enumerate() {
        let job: JobId = format!("dead-worker-{n}").parse().unwrap();
        let mut ledger = ledger::open(&config.ledger).unwrap();
        let event = Event::new(&format!("web{n}"), None, ObjectState::Down, StateType::Hard, 4);
        let (lease, horizon) = (Duration::from_secs(2), config.policy.horizon(&event));
        let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
        let repair = |_: &_| Decision::Repair("httpd".parse().unwrap());
        ledger.reserve(&claim, &SystemTime::now, &repair).unwrap().unwrap();
        let now = SystemTime::now();
        let rung = RungStart { number: 1, gate: None, deadline: now };
        ledger.begin_rung(&job, now, &rung, "").unwrap();
    }
    let over = "SELECT bool_and(lease_until < extract(epoch FROM clock_timestamp()) * 1000) \
                FROM repair";
    wait_until("the leases are over", || site.sql(over) == "t");
    let calls = [0, 1].map(|n| {
        let call = format!("DOWN HARD 4 --host web{n} --address 127.0.0.1");
        cli::read(&call.split(' ').map(Into::into).collect::<Vec<_>>()).unwrap()
    });
    let mut ledger = ledger::open(&here.ledger).unwrap();
    worker::close_abandoned(ledger.as_mut(), &calls, &here, &mut || ()).unwrap();
    for (n, text) in [(0, "ran on this server, and none of"), (1, "ran on another server, and")] {
        let job = format!("dead-worker-{n}").parse().unwrap();
        let record = ledger.repair_of(&job).unwrap().unwrap();
        assert_eq!(record.outcome, Some(RepairOutcome::Unknown), "{record:?}");
        assert!(record.text.contains(text), "{record:?}");
        assert_eq!(record.text.contains("worker of this repair died"), n == 0, "{record:?}");
    }
}

#[test]
#[ignore = "needs: root"]
fn renews_lease_while_an_overdue_program_cannot_be_killed() {
    let site = SharedSite::new();
    let at = |name: &str| site.at(name);
    set_mode(site.dir.path(), 0o755);
    // This program becomes root, so the worker cannot kill it.
    copy_program("/usr/bin/setpriv", at("setpriv"));
    set_mode(at("setpriv"), 0o4755);
    let script = "echo $$ > DIR/tmp; mv DIR/tmp DIR/begun; \
                  exec DIR/setpriv --reuid 0 --regid 0 --clear-groups sleep 600";
    fs::write(at("script"), script.replace("DIR", at("nagios1").to_str().unwrap())).unwrap();
    site.policy("nagios1", &json!({"local": ["/bin/sh", at("script")], "timeout": "1s"}));
    fs::rename(at("setpriv"), at("nagios1/setpriv")).unwrap();
    chown(at("nagios1"), Some(NOBODY), Some(NOBODY)).unwrap();
    for program in [env!("CARGO_BIN_EXE_handle_repair"), env!("CARGO_BIN_EXE_repair_worker")] {
        copy_program(program, at(Path::new(program).file_name().unwrap().to_str().unwrap()));
    }
    let mut worker = Command::new("setpriv");
    worker.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
    worker.arg(at("handle_repair")).arg("--policy").arg(site.file("nagios1"));
    worker.args(["CRITICAL", "HARD", "4", "--host", "web1", "--service", "HTTP"]);
    worker.args(["--repair", "httpd", "--foreground"]);
    let mut worker = worker.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the rung has begun", || at("nagios1/begun").exists());
    let first = site.sql("SELECT lease_until FROM repair");
    let renewed = format!("SELECT lease_until > {first} FROM repair");
    wait_until("a renewed lease", || site.sql(&renewed) == "t");
    let program = fs::read_to_string(at("nagios1/begun")).unwrap();
    assert!(Command::new("/bin/kill").args(["-KILL", program.trim()]).status().unwrap().success());
    worker.wait().unwrap();
    assert_eq!(site.sql("SELECT outcome FROM repair"), "healed");
}
