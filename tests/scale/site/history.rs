//! Fills a ledger with a year of repairs and 90 days of refusals.
//!
//! The ledger crate creates the file. The rows are then inserted directly, in one transaction,
//! because reserving one repair after the other would take hours.

use std::collections::HashMap;
use std::path::Path;

use ledger::{RepairOutcome, StepKind};
use policy::ReasonCode;
use rusqlite::{Connection, Statement, params};
use testkit::Random;
use testkit::nagios_log::host;

use crate::size::{BUSY, REPAIRED, Size};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// Writes the ledger. Times are milliseconds since 1970. Returns the number of steps.
pub fn write(path: &Path, size: &Size, now: u64, random: &mut Random) -> u64 {
    drop(ledger::open_sqlite(path).unwrap());
    let store = Connection::open(path).unwrap();
    let settings =
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536";
    store.execute_batch(settings).unwrap();
    // Drop the indexes, and create them again at the end. SQLite can then sort the rows once for
    // each index, which is much faster.
    let indexes = take_indexes(&store);
    store.execute_batch("BEGIN").unwrap();
    let statement = |sql| store.prepare(sql).unwrap();
    let (repair, step) = (statement(REPAIR), statement(STEP));
    let refusal = statement(REFUSAL);
    let last_refusals = HashMap::new();
    let mut history = History { repair, step, refusal, last_refusals, random, steps: 0 };
    history.repairs(size, now);
    history.refusals(size, now);
    let steps = history.steps;
    drop(history);
    write_pauses_and_resets(&store, size, now);
    store.execute_batch("COMMIT").unwrap();
    store.execute_batch(&indexes).unwrap();
    store.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    steps
}

/// Drops all indexes and returns the statements that create them again.
fn take_indexes(store: &Connection) -> String {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
    let mut rows = store.prepare(sql).unwrap();
    let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let indexes: Vec<(String, String)> = rows.collect::<Result<_, _>>().unwrap();
    let mut again = String::new();
    for (name, sql) in indexes {
        store.execute_batch(&format!("DROP INDEX {name}")).unwrap();
        again += &format!("{sql};\n");
    }
    again
}

const REPAIR: &str = "INSERT INTO repair (job, site, server, host, service, repair, problem, event, \
    reserved, lease_until, rung, rung_gate, rung_until, ended, outcome, text) VALUES \
    (?1, 'main', 'monitor', ?2, ?3, 'httpd', ?4, 'CRITICAL;SOFT;3', \
    ?5, ?6, 1, ?10, ?6, ?7, ?8, ?9)";
const STEP: &str = "INSERT INTO step (job, at, kind, rung, text) VALUES (?1, ?2, ?3, 1, ?4)";
const REFUSAL: &str = "INSERT INTO refusal (at, job, site, server, host, service, event, reason, \
    text, gap) VALUES (?1, ?2, 'main', 'monitor', ?3, ?4, 'CRITICAL;SOFT;3', ?5, ?6, ?7)";

/// Converts a time for SQLite, whose integers are signed.
fn sql(at: u64) -> i64 {
    i64::try_from(at).unwrap()
}

struct History<'a> {
    repair: Statement<'a>,
    step: Statement<'a>,
    refusal: Statement<'a>,
    /// Time of each object's last refusal, in milliseconds since 1970.
    last_refusals: HashMap<(String, &'static str), u64>,
    random: &'a mut Random,
    steps: u64,
}

impl History<'_> {
    /// Returns a service that has a repair, on a host with a history. Never returns the service
    /// with the longest history.
    fn object(&mut self, size: &Size) -> (String, &'static str) {
        (host(1 + self.random.below(size.warm_hosts() - 1)), self.random.choose(&REPAIRED))
    }

    fn job(&mut self, at: u64) -> String {
        format!("{:x}-{:016x}", at / 1000, self.random.below(u64::MAX))
    }

    /// Writes the repairs in chronological order. The last ones are the failed repairs that have
    /// opened breakers, and the repairs that are still running.
    fn repairs(&mut self, size: &Size, now: u64) {
        let broken = size.broken_hosts().flat_map(|host| [50, 40, 30].map(|ago| (host, ago)));
        let broken: Vec<(u64, u64)> = broken.collect();
        let running = size.running_hosts();
        let ended = size.repairs - broken.len() as u64 - running.clone().count() as u64;
        let (begin, pace) = (now - 365 * DAY, 364 * DAY / ended);
        for n in 0..ended {
            let at = begin + n * pace + self.random.below(pace);
            // On a full-size site, every 50th repair belongs to the service with the longest
            // history.
            let is_busy = n * size.busy_repairs / ended != (n + 1) * size.busy_repairs / ended;
            let (host, service) = if is_busy { (host(BUSY.0), BUSY.1) } else { self.object(size) };
            let healed = self.random.below(100) < 85;
            let outcome =
                if healed { RepairOutcome::Healed } else { self.random.choose(RepairOutcome::ALL) };
            self.repair(&host, service, at, Some(outcome));
        }
        for (number, ago) in broken {
            let at = now - ago * MINUTE;
            self.repair(&host(number), REPAIRED[0], at, Some(RepairOutcome::NotHealed));
        }
        for number in running {
            self.repair(&host(number), REPAIRED[0], now - 20_000, None);
        }
    }

    /// Writes a repair with one rung, and its steps.
    fn repair(&mut self, host: &str, service: &str, at: u64, outcome: Option<RepairOutcome>) {
        let took = 1000 + self.random.below(20_000);
        let (job, problem) = (self.job(at), self.random.below(1_000_000).to_string());
        let ended = outcome.map(|_| sql(at + took));
        let text = match outcome {
            Some(RepairOutcome::Healed) => "HTTP OK: HTTP/1.1 200 OK - 240 bytes in 0.001 second",
            Some(_) => "connect to address 192.0.2.1 and port 80: Connection refused",
            None => "",
        };
        let (host, service) = (host.as_bytes(), service.as_bytes());
        let (word, until) = (outcome.map(RepairOutcome::as_str), sql(at + 4 * MINUTE));
        // A repair that is still running is recorded as a local rung, so no worker queries a gate
        // about it.
        let gate = ended.map(|_| host);
        let row = params![job, host, service, problem, sql(at), until, ended, word, text, gate];
        self.repair.execute(row).unwrap();
        self.step(&job, at + 5, StepKind::Begun, "rung 1 of 1: ssh httpd");
        let Some(outcome) = outcome else { return };
        let (ran, said) = match outcome {
            RepairOutcome::CouldNotRun => (StepKind::NotRun, "no answer from 192.0.2.1 port 22"),
            RepairOutcome::Unknown => (StepKind::Unknown, "the connection was cut"),
            _ => (StepKind::Ran, "repair 'httpd' ended with exit 0 after 0.4 s"),
        };
        self.step(&job, at + took / 2, ran, said);
        self.step(&job, at + took - 5, StepKind::Verified, text);
        self.step(&job, at + took, StepKind::Notified, "the engine was notified");
    }

    fn step(&mut self, job: &str, at: u64, kind: StepKind, text: &str) {
        self.step.execute(params![job, sql(at), kind.as_str(), text]).unwrap();
        self.steps += 1;
    }

    fn refusals(&mut self, size: &Size, now: u64) {
        let broken = size.broken_hosts();
        let random = size.refusals - broken.clone().count() as u64;
        // Start an hour later than 90 days ago, so that the oldest refusals are not due for
        // deletion within the first hour.
        let (begin, pace) = (now - 90 * DAY + 60 * MINUTE, 89 * DAY / random);
        for n in 0..random {
            let at = begin + n * pace + self.random.below(pace);
            let (host, service) = self.object(size);
            let reason = self.random.choose(ReasonCode::ALL);
            self.refusal(&host, service, at, reason);
        }
        for number in broken {
            self.refusal(&host(number), REPAIRED[0], now - 5 * MINUTE, ReasonCode::BreakerOpen);
        }
    }

    /// Writes a refusal. The refusals of an object must be written in chronological order.
    fn refusal(&mut self, host: &str, service: &'static str, at: u64, reason: ReasonCode) {
        let job = self.job(at);
        let counts = reason != ReasonCode::SameEvent;
        let last = counts.then(|| self.last_refusals.insert((host.to_owned(), service), at));
        let gap = last.flatten().map(|last| sql(at - last));
        let (host, service) = (host.as_bytes(), service.as_bytes());
        let row = params![sql(at), job, host, service, reason.as_str(), reason.about(), gap];
        self.refusal.execute(row).unwrap();
    }
}

/// Writes a pause of one service and the resets of ten breakers.
fn write_pauses_and_resets(store: &Connection, size: &Size, now: u64) {
    let insert = |statement: &str, number: u64, at: u64| {
        let (host, service) = (host(number), REPAIRED[0]);
        let row = params![sql(at), host.as_bytes(), service.as_bytes()];
        store.execute(statement, row).unwrap();
    };
    let pause = "INSERT INTO pause (since, host, service, by_whom, reason, until) \
        VALUES (?1, ?2, ?3, 'ann', 'maintenance', NULL)";
    insert(pause, size.warm_hosts(), now - DAY);
    let reset = "INSERT INTO reset (at, host, service, by_whom, reason) \
        VALUES (?1, ?2, ?3, 'bob', 'fixed by hand')";
    (1..=10).for_each(|n| insert(reset, n % size.warm_hosts(), now - n * DAY));
}
