//! Creates ledgers in SQLite and PostgreSQL, and events and reservations for them.
#![allow(dead_code, reason = "no test program uses all of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ledger::{Claim, Ledger};
use policy::{
    Decision, Event, Fleet, History, JobId, ObjectState, Policy, Reason, Rules, StateType, decide,
};
use policy_file::LedgerConfig;
use serde_json::json;
use tempfile::TempDir;
use testkit::Postgres;

pub const HOUR: Duration = Duration::from_secs(3600);

/// Where the ledger of a test is stored. For SQLite, `dir` contains the ledger file. For
/// PostgreSQL, `dir` contains the local files of one monitoring server.
pub struct Place {
    pub dir: TempDir,
    /// The PostgreSQL server and the name of the database; `None` for SQLite.
    pub database: Option<(Arc<Postgres>, String)>,
}

impl Place {
    /// Creates a temporary directory for a SQLite ledger.
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap(), database: None }
    }

    /// Returns a place for a ledger in PostgreSQL, on the server that all tests share.
    pub fn postgres() -> Place {
        thread_local! {
            /// Keeps the server running between two calls of `postgres` in the same test.
            static SERVER: Arc<Postgres> = Postgres::shared();
        }
        Place::on(SERVER.with(Arc::clone))
    }

    /// Returns a place for a ledger on the given PostgreSQL server. The ledger connects as a role
    /// that has only the rights of a worker.
    pub fn on(server: Arc<Postgres>) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let LedgerConfig::Postgres(config) = config(&[&server], "postgres", &dir) else {
            unreachable!()
        };
        let role = "DO $$ BEGIN CREATE ROLE selfheal LOGIN; \
                    EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n";
        let schema = format!("{role}{}", ledger::postgres_schema(&config));
        let name = server.database_with(&schema);
        Place { dir, database: Some((server, name)) }
    }

    /// Returns the place of another monitoring server, which shares this place's database.
    pub fn beside(&self) -> Place {
        Place { dir: tempfile::tempdir().unwrap(), database: self.database.clone() }
    }

    /// Returns two places, one in SQLite and one in PostgreSQL.
    pub fn each() -> [Place; 2] {
        [Place::new(), Place::postgres()]
    }

    /// Returns the path of the SQLite file.
    pub fn path(&self) -> PathBuf {
        assert!(self.database.is_none());
        self.dir.path().join("ledger.sqlite")
    }

    pub fn config(&self) -> LedgerConfig {
        match &self.database {
            None => LedgerConfig::Sqlite(self.path()),
            Some((server, name)) => config(&[server], name, &self.dir),
        }
    }

    pub fn open(&self) -> Box<dyn Ledger> {
        ledger::open(&self.config()).unwrap()
    }

    /// Returns the directory of the workers' lock files.
    pub fn jobs(&self) -> PathBuf {
        self.config().local().with_added_extension("jobs")
    }

    /// Runs SQL statements, which both stores must understand, as the owner of the ledger.
    pub fn sql(&self, sql: &str) {
        match &self.database {
            None => rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).unwrap(),
            Some((server, name)) => {
                server.sql(name, &format!("SET search_path = selfheal; BEGIN; {sql}; COMMIT"));
            }
        }
    }

    /// Counts the rows of a table for which a condition holds.
    pub fn count(&self, table: &str, condition: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
        match &self.database {
            None => {
                let store = rusqlite::Connection::open(self.path()).unwrap();
                store.query_row(&sql, [], |row| row.get::<_, u32>(0)).unwrap().into()
            }
            Some((server, name)) => {
                let count = server.sql(name, &format!("SET search_path = selfheal; {sql}"));
                count.trim().parse().unwrap()
            }
        }
    }

    /// Returns bytes as an SQL literal.
    pub fn literal(&self, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match &self.database {
            None => format!("x'{hex}'"),
            Some(_) => format!("'\\x{hex}'::bytea"),
        }
    }

    /// Inserts ended repairs of the service HTTP directly into the database.
    pub fn add_repairs(&self, repairs: impl IntoIterator<Item = EndedRepair>) {
        let service = self.literal(b"HTTP");
        let origin = if self.database.is_some() { ("origin, ", "'', ") } else { ("", "") };
        let rows = repairs.into_iter().map(|repair| {
            let EndedRepair { job, host, reserved, ended, outcome } = repair;
            let host = self.literal(host.as_bytes());
            let origin = origin.1;
            format!(
                "('{job}', 'main', '', {origin}{host}, {service}, 'httpd', '', '', {reserved}, \
                 {ended}, 1, {ended}, '{outcome}', '')"
            )
        });
        self.insert(
            &format!(
                "repair (job, site, server, {}host, service, repair, problem, event, reserved, \
                 lease_until, rung, ended, outcome, text)",
                origin.0
            ),
            rows.collect(),
        );
    }

    /// Inserts refusals of the service HTTP directly into the database. Each has a host, a time in
    /// milliseconds and a text.
    pub fn add_refusals<'a>(&self, refusals: impl IntoIterator<Item = (&'a str, u64, &'a str)>) {
        let service = self.literal(b"HTTP");
        let rows = refusals.into_iter().enumerate().map(|(n, (host, at, text))| {
            let host = self.literal(host.as_bytes());
            format!("({at}, 'no-{n}', 'main', '', {host}, {service}, '', 'cooling-down', '{text}')")
        });
        let columns = "refusal (at, job, site, server, host, service, event, reason, text)";
        self.insert(columns, rows.collect());
        // Without the index, the time for these statements grows with the square of a host's
        // refusals.
        self.sql(
            "UPDATE refusal SET gap = at - (SELECT max(previous.at) FROM refusal AS previous \
             WHERE previous.site = refusal.site AND previous.host = refusal.host \
             AND previous.service = refusal.service AND previous.at < refusal.at)",
        );
    }

    fn insert(&self, columns: &str, rows: Vec<String>) {
        if !rows.is_empty() {
            self.sql(&format!("INSERT INTO {columns} VALUES {}", rows.join(", ")));
        }
    }
}

/// A repair that has ended. Its times are in milliseconds since 1970.
pub struct EndedRepair {
    pub job: String,
    pub host: String,
    pub reserved: u64,
    pub ended: u64,
    pub outcome: &'static str,
}

/// Returns the settings for the database `name`. The ledger uses the first of `servers` that
/// accepts writes.
pub fn config(servers: &[&Postgres], name: &str, state: &TempDir) -> LedgerConfig {
    let host = |server: &&Postgres| format!("{}:{}", server.socket_dir().display(), server.port);
    let hosts: Vec<String> = servers.iter().map(host).collect();
    let postgres = json!({"hosts": hosts, "dbname": name, "state": state.path()});
    serde_json::from_value(json!({"postgres": postgres})).unwrap()
}

pub fn event(host: &str, problem: &str, attempt: u32) -> Event {
    Event {
        problem_id: Some(problem.into()),
        repair: Some("httpd".parse().unwrap()),
        ..Event::new(host, Some("HTTP"), ObjectState::Critical, StateType::Hard, attempt)
    }
}

pub fn policy() -> Policy {
    Policy {
        repairs: [("httpd".parse().unwrap(), Rules::with_ladder(vec![]))].into(),
        fleet: Fleet::default(),
    }
}

pub fn job(n: u32) -> JobId {
    format!("test-job-{n:04}").parse().unwrap()
}

pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

pub fn reserve(
    ledger: &mut Box<dyn Ledger>,
    n: u32,
    event: &Event,
    now: SystemTime,
) -> Result<(), Reason> {
    let (job, policy) = (job(n), policy());
    let claim = Claim {
        job: &job,
        event,
        lease: Duration::from_secs(120),
        horizon: policy.horizon(event),
        observed: None,
    };
    let granted = ledger.reserve(&claim, &|| now, &|history: &History| -> Decision {
        decide(event, &policy, history)
    });
    granted.unwrap().map(|name| assert_eq!(name.as_str(), "httpd"))
}

pub fn code(granted: Result<(), Reason>) -> &'static str {
    granted.map_or_else(|why| why.code().as_str(), |()| "repair")
}
