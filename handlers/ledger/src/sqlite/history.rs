//! The history a decision needs, read from the ledger. Times become ages.

use std::time::{Duration, SystemTime};

use policy::{
    Event, FleetUsage, PastOutcome, PastRepair, Pause, ReasonCode, RecordedHistory,
    SAME_EVENT_WITHIN,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{bytes, millis, span_millis, time};
use crate::RepairOutcome;

/// More repairs or refusals of one object than any limit can ask about.
const ENOUGH: u32 = 1000;

/// Whether the worker of a job lives.
pub(super) type Alive<'a> = &'a dyn Fn(&str) -> bool;

/// What is known at `now` of the event's object and of the fleet; `fleet_window` is the policy's.
pub(super) fn read(
    store: &Connection,
    alive: Alive<'_>,
    event: &Event,
    fleet_window: Duration,
    now: SystemTime,
) -> rusqlite::Result<RecordedHistory> {
    let unended = unended(store, alive, now)?;
    Ok(RecordedHistory {
        paused: paused(store, event, now)?,
        same_event: same_event(store, event, now)?,
        same_problem: same_problem(store, event, now)?,
        ahead: ahead(store, event, now)?,
        running: running(&unended, event, now),
        repairs: repairs(store, event, now)?,
        refused: refused(store, event, now)?,
        fleet: fleet_beside(store, &unended, fleet_window, now)?,
    })
}

/// A time that lies ahead counts as just now: that makes nothing bolder.
fn age(at: i64, now: SystemTime) -> Duration {
    now.duration_since(time(at)).unwrap_or(Duration::ZERO)
}

/// The host and service of an event, as the ledger keeps them.
pub(super) fn object(event: &Event) -> (Vec<u8>, Vec<u8>) {
    (bytes(Some(&event.host)), bytes(event.service.as_deref()))
}

fn paused(store: &Connection, event: &Event, now: SystemTime) -> rusqlite::Result<Option<Pause>> {
    let (host, service) = object(event);
    let until = |row: &Row<'_>| row.get::<_, Option<i64>>(2);
    store
        .query_row(
            "SELECT by_whom, reason, until FROM pause \
             WHERE host IN (x'', ?1) AND service IN (x'', ?2) AND (until IS NULL OR until > ?3) \
             ORDER BY until IS NOT NULL, until DESC LIMIT 1",
            params![host, service, millis(now)],
            |row| {
                let left = until(row)?
                    .map(|until| time(until).duration_since(now).unwrap_or(Duration::ZERO));
                Ok(Pause { by: row.get(0)?, reason: row.get(1)?, left })
            },
        )
        .optional()
}

fn same_event(
    store: &Connection,
    event: &Event,
    now: SystemTime,
) -> rusqlite::Result<Option<String>> {
    answered(store, event, Some(&event.change()), now)
}

fn same_problem(
    store: &Connection,
    event: &Event,
    now: SystemTime,
) -> rusqlite::Result<Option<String>> {
    answered(store, event, None, now)
}

/// The newest job for this problem, at this event if one is given; what could not be run has
/// answered nothing.
fn answered(
    store: &Connection,
    event: &Event,
    at: Option<&str>,
    now: SystemTime,
) -> rusqlite::Result<Option<String>> {
    let Some(problem) = &event.problem_id else { return Ok(None) };
    let (host, service) = object(event);
    store
        .query_row(
            "SELECT job FROM repair WHERE host = ?1 AND service = ?2 AND problem = ?3 \
             AND event = coalesce(?4, event) AND reserved > ?5 AND coalesce(outcome, '') <> ?6 \
             ORDER BY reserved DESC LIMIT 1",
            params![
                host,
                service,
                problem,
                at,
                millis(now) - span_millis(SAME_EVENT_WITHIN),
                RepairOutcome::CouldNotRun.as_str()
            ],
            |row| row.get(0),
        )
        .optional()
}

/// Clocks of one machine are corrected by less than this.
const TOLERATED: Duration = Duration::from_secs(5);

fn ahead(
    store: &Connection,
    event: &Event,
    now: SystemTime,
) -> rusqlite::Result<Option<(String, Duration)>> {
    let (host, service) = object(event);
    store
        .query_row(
            "SELECT job, max(coalesce(ended, reserved)) AS newest FROM repair \
             WHERE host = ?1 AND service = ?2 HAVING newest > ?3",
            params![host, service, millis(now + TOLERATED)],
            |row| Ok((row.get(0)?, time(row.get(1)?).duration_since(now).unwrap_or_default())),
        )
        .optional()
}

/// A repair that counts as running.
struct Unended {
    job: String,
    host: Vec<u8>,
    reserved: i64,
}

/// By the record, and by the kernel where the time of the lease is over: the clock may have been
/// set, or the whole machine have slept, with the worker still at work.
fn unended(
    store: &Connection,
    alive: Alive<'_>,
    now: SystemTime,
) -> rusqlite::Result<Vec<Unended>> {
    let mut all = store.prepare(
        "SELECT job, lease_until > ?1, host, reserved FROM repair INDEXED BY repair_running \
             WHERE ended IS NULL",
    )?;
    let row = |row: &Row<'_>| {
        let job: String = row.get(0)?;
        let runs = row.get(1)? || alive(&job);
        Ok(runs.then_some(Unended { job, host: row.get(2)?, reserved: row.get(3)? }))
    };
    all.query_map([millis(now)], row)?.filter_map(Result::transpose).collect()
}

fn running(unended: &[Unended], event: &Event, now: SystemTime) -> Option<(String, Duration)> {
    let (host, _) = object(event);
    let here = unended.iter().find(|repair| repair.host == host)?;
    Some((here.job.clone(), age(here.reserved, now)))
}

/// A repair whose worker died has no end: its lease is the latest it can have worked, and nobody
/// knows what it did.
fn repairs(
    store: &Connection,
    event: &Event,
    now: SystemTime,
) -> rusqlite::Result<Vec<PastRepair>> {
    let (host, service) = object(event);
    store
        .prepare(
            "SELECT job, reserved, coalesce(ended, lease_until) AS over, outcome FROM repair \
             WHERE host = ?1 AND service = ?2 ORDER BY over DESC LIMIT ?3",
        )?
        .query_map(params![host, service, ENOUGH], |row| {
            let word: Option<String> = row.get(3)?;
            let outcome = match word.as_deref().and_then(RepairOutcome::from_word) {
                Some(RepairOutcome::Healed) => PastOutcome::Healed,
                Some(RepairOutcome::CouldNotRun) => PastOutcome::NotRun,
                Some(RepairOutcome::NotHealed | RepairOutcome::Unknown) | None => {
                    PastOutcome::Failed
                }
            };
            Ok(PastRepair {
                job: row.get(0)?,
                began: age(row.get(1)?, now),
                ended: age(row.get(2)?, now),
                outcome,
            })
        })?
        .collect()
}

/// A call that Nagios merely repeated is not a sign of new trouble.
fn refused(store: &Connection, event: &Event, now: SystemTime) -> rusqlite::Result<Vec<Duration>> {
    let (host, service) = object(event);
    let repeated = ReasonCode::SameEvent.as_str();
    store
        .prepare(
            "SELECT at FROM refusal WHERE host = ?1 AND service = ?2 AND reason <> ?3 \
             ORDER BY at DESC LIMIT ?4",
        )?
        .query_map(params![host, service, repeated, ENOUGH], |row| Ok(age(row.get(0)?, now)))?
        .collect()
}

pub(super) fn fleet(
    store: &Connection,
    alive: Alive<'_>,
    window: Duration,
    now: SystemTime,
) -> rusqlite::Result<FleetUsage> {
    fleet_beside(store, &unended(store, alive, now)?, window, now)
}

fn fleet_beside(
    store: &Connection,
    unended: &[Unended],
    window: Duration,
    now: SystemTime,
) -> rusqlite::Result<FleetUsage> {
    let started = "SELECT count(*), min(reserved) FROM repair WHERE reserved > ?1";
    let running = u32::try_from(unended.len()).unwrap_or(u32::MAX);
    store.query_row(started, [millis(now) - span_millis(window)], |row| {
        let oldest: Option<i64> = row.get(1)?;
        let oldest_start = oldest.map(|at| age(at, now)).unwrap_or_default();
        Ok(FleetUsage { running, started: row.get(0)?, oldest_start })
    })
}
