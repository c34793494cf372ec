//! The ledger of one Nagios server: a SQLite file, one immediate transaction per reservation.

mod locks;
mod now;
mod open;
mod past;
mod pause;
mod query;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use policy::{Decision, Event, History, JobId, Reason, RepairName};
use rusqlite::{Connection, Params, Row, TransactionBehavior, params};

use crate::{Claim, Error, Filter, Ledger, Record, Refusal, RefusalCount, RepairOutcome, Step};
use locks::Alive;
pub use locks::Sweeping;

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    store: Connection,
    path: PathBuf,
    /// Our own running jobs.
    alive: HashMap<JobId, Alive>,
}

impl SqliteLedger {
    fn failed(path: &std::path::Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
        |why| Error::Store { path: path.to_owned(), why }
    }
}

impl Ledger for SqliteLedger {
    fn reserve(
        &mut self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<Result<RepairName, Reason>, Error> {
        // Handlers queue here, in the kernel and in order; SQLite's own waiting is by sleeping and
        // looking again.
        let _turn = locks::turn(&self.path)?;
        let alive = Alive::hold(&self.path, claim.job)?;
        let failed = Self::failed(&self.path);
        // Immediate: the write lock is taken before the history is read, so no one decides on what
        // we are about to change.
        let transaction = self
            .store
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&failed)?;
        let now = clock();
        let lives = |job: &str| locks::is_alive(&self.path, job);
        let history = past::history(&transaction, &lives, claim.event, claim.fleet_window, now)
            .map_err(&failed)?;
        let decision = decide(&history);
        match &decision {
            Decision::Repair(name) => insert_repair(&transaction, claim, name, now),
            Decision::NoAction(why) => insert_refusal(&transaction, claim, why, now),
        }
        .map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(match decision {
            Decision::Repair(name) => {
                self.alive.insert(claim.job.clone(), alive);
                Ok(name)
            }
            Decision::NoAction(why) => Err(why),
        })
    }

    fn history(
        &mut self,
        event: &Event,
        fleet_window: Duration,
        now: SystemTime,
    ) -> Result<History, Error> {
        let lives = |job: &str| locks::is_alive(&self.path, job);
        past::history(&self.store, &lives, event, fleet_window, now)
            .map_err(Self::failed(&self.path))
    }

    fn step(&mut self, job: &JobId, now: SystemTime, what: &str, text: &str) -> Result<(), Error> {
        self.store
            .execute(
                "INSERT INTO step (job, at, what, text) VALUES (?1, ?2, ?3, ?4)",
                params![job.as_str(), millis(now), what, text],
            )
            .map_err(Self::failed(&self.path))?;
        Ok(())
    }

    fn finish(
        &mut self,
        job: &JobId,
        now: SystemTime,
        outcome: RepairOutcome,
        text: &str,
    ) -> Result<(), Error> {
        let changed = self
            .store
            .execute(
                "UPDATE repair SET ended = ?2, outcome = ?3, text = ?4 WHERE job = ?1 AND ended IS \
                 NULL",
                params![job.as_str(), millis(now), outcome.as_str(), text],
            )
            .map_err(Self::failed(&self.path))?;
        self.alive.remove(job);
        locks::forget(&self.path, job.as_str());
        if changed == 1 {
            Ok(())
        } else {
            Err(Error::NoSuchJob { path: self.path.clone(), job: job.to_string() })
        }
    }

    fn records(&mut self, limit: u32) -> Result<Vec<Record>, Error> {
        self.repairs(&Filter { limit: Some(limit), ..Filter::default() })
    }

    fn abandoned(&mut self, host: &str) -> Result<Vec<Record>, Error> {
        let dead = self
            .running()?
            .into_iter()
            .filter(|running| !running.alive && running.record.host == host);
        Ok(dead.map(|running| running.record).collect())
    }

    fn steps(&mut self, job: &JobId) -> Result<Vec<Step>, Error> {
        self.rows(
            "SELECT at, what, text FROM step WHERE job = ?1 ORDER BY rowid",
            [job.as_str()],
            |row| Ok(Step { at: time(row.get(0)?), what: row.get(1)?, text: lossy(row, 2)? }),
        )
    }

    fn refusals(&mut self, limit: u32) -> Result<Vec<Refusal>, Error> {
        self.refused(&Filter { limit: Some(limit), ..Filter::default() })
    }

    fn repairs(&mut self, filter: &Filter<'_>) -> Result<Vec<Record>, Error> {
        self.query_repairs(filter)
    }

    fn refused(&mut self, filter: &Filter<'_>) -> Result<Vec<Refusal>, Error> {
        self.query_refusals(filter)
    }

    fn refusal_counts(&mut self, filter: &Filter<'_>) -> Result<Vec<RefusalCount>, Error> {
        self.query_refusal_counts(filter)
    }

    fn jobs(&mut self, beginning: &str) -> Result<Vec<Record>, Error> {
        self.query_jobs(beginning)
    }
}

impl SqliteLedger {
    fn rows<T>(
        &self,
        sql: &str,
        keys: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let collect =
            || self.store.prepare(sql)?.query_map(keys, read)?.collect::<rusqlite::Result<_>>();
        collect().map_err(Self::failed(&self.path))
    }
}

const RECORD: &str = "SELECT job, host, service, repair, event, reserved, ended, outcome, text, \
    (SELECT count(*) FROM step WHERE step.job = repair.job AND step.what = 'run'), problem FROM \
    repair";

const REFUSAL: &str = "SELECT at, host, service, why, text, event FROM refusal";

/// How a text is read: by [`strict`] or by [`lossy`].
type Read = fn(&Row<'_>, usize) -> rusqlite::Result<String>;

/// What is acted on: a text that is not UTF-8 is damage, and an error.
fn strict(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    row.get(column)
}

/// What is only shown: one damaged text must not hide all the others.
fn lossy(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let bytes = row.get_ref(column)?.as_bytes()?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn record(row: &Row<'_>, read: Read) -> rusqlite::Result<Record> {
    let word: Option<String> = row.get(7)?;
    Ok(Record {
        job: read(row, 0)?,
        host: read(row, 1)?,
        service: given(read(row, 2)?),
        repair: read(row, 3)?,
        event: read(row, 4)?,
        reserved: time(row.get(5)?),
        ended: row.get::<_, Option<i64>>(6)?.map(time),
        outcome: word.as_deref().and_then(RepairOutcome::from_word),
        text: read(row, 8)?,
        rungs: row.get(9)?,
        problem: given(read(row, 10)?),
    })
}

fn refusal(row: &Row<'_>, read: Read) -> rusqlite::Result<Refusal> {
    Ok(Refusal {
        at: time(row.get(0)?),
        host: read(row, 1)?,
        service: given(read(row, 2)?),
        why: read(row, 3)?,
        text: read(row, 4)?,
        event: read(row, 5)?,
    })
}

fn insert_repair(
    store: &Connection,
    claim: &Claim<'_>,
    name: &RepairName,
    now: SystemTime,
) -> rusqlite::Result<usize> {
    let event = claim.event;
    store.execute(
        "INSERT INTO repair (job, host, service, repair, problem, event, reserved, lease_until) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            claim.job.as_str(),
            event.host,
            event.service.as_deref().unwrap_or_default(),
            name.as_str(),
            event.problem_id.as_deref().unwrap_or_default(),
            event_text(event),
            millis(now),
            millis(now + claim.lease),
        ],
    )
}

fn insert_refusal(
    store: &Connection,
    claim: &Claim<'_>,
    why: &Reason,
    now: SystemTime,
) -> rusqlite::Result<usize> {
    let event = claim.event;
    store
        .execute("DELETE FROM refusal WHERE at < ?1", [millis(now) - span_millis(REFUSALS_KEPT)])?;
    store.execute(
        "INSERT INTO refusal (at, job, host, service, event, why, text) VALUES (?1, ?2, ?3, ?4, \
         ?5, ?6, ?7)",
        params![
            millis(now),
            claim.job.as_str(),
            event.host,
            event.service.as_deref().unwrap_or_default(),
            event_text(event),
            why.code(),
            why.to_string(),
        ],
    )
}

/// How long refusals are kept; repairs are kept for ever.
const REFUSALS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

fn event_text(event: &Event) -> String {
    format!("{};{};{}", event.state, event.state_type, event.attempt)
}

/// An empty text stands for none.
fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Milliseconds since 1970; a clock before that counts as 1970.
fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    span_millis(since)
}

fn span_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
