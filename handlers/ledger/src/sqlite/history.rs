//! Reads the history that a decision needs from the ledger, and converts times to ages.

use std::time::{Duration, SystemTime};

use policy::{Event, FleetUsage, Horizon, Pause, RecordedHistory, SAME_EVENT_WITHIN};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{age, millis, object, span_millis, time};
use super::{CLOCK_TOLERANCE, trouble};
use crate::RepairOutcome;

/// A function that returns whether any process of a job is alive.
pub(super) type Alive<'a> = &'a dyn Fn(&str) -> bool;

/// Reads the history of the event's object and of the fleet, as far back as `horizon` requires.
/// Ages are relative to `now`.
pub(super) fn read(
    store: &Connection,
    alive: Alive<'_>,
    event: &Event,
    horizon: &Horizon,
    now: SystemTime,
) -> rusqlite::Result<RecordedHistory> {
    let unended = unended(store, alive, now)?;
    let reset = last_reset(store, event, now)?;
    let mut history = trouble::read(store, event, horizon, reset, now)?;
    history.paused = paused(store, event, now)?;
    history.same_event = same_event(store, event, reset, now)?;
    history.same_problem = same_problem(store, event, reset, now)?;
    history.ahead = ahead(store, &unended, event, now)?;
    history.running = running(&unended, event, now);
    history.fleet = fleet_beside(store, &unended, horizon.fleet, now)?;
    Ok(history)
}

/// Reads only what the limits of the object depend on: its repairs, its refusals and its reset.
pub(super) fn read_for_limits(
    store: &Connection,
    event: &Event,
    horizon: &Horizon,
    now: SystemTime,
) -> rusqlite::Result<RecordedHistory> {
    trouble::read(store, event, horizon, last_reset(store, event, now)?, now)
}

/// Returns the pause that covers the object. If several do, returns the one that lasts longest.
pub(super) fn paused(
    store: &Connection,
    event: &Event,
    now: SystemTime,
) -> rusqlite::Result<Option<Pause>> {
    let (host, service) = object(event);
    // At most four pauses cover an object, so the query need not sort them.
    let mut covering = store.prepare(
        "SELECT by_whom, reason, until FROM pause \
         WHERE host IN (x'', ?1) AND service IN (x'', ?2) AND (until IS NULL OR until > ?3)",
    )?;
    let pause = |row: &Row<'_>| {
        let until: Option<i64> = row.get(2)?;
        let left = until.map(|until| time(until).duration_since(now).unwrap_or(Duration::ZERO));
        Ok(Pause { by: row.get(0)?, reason: row.get(1)?, left })
    };
    let pauses = covering.query_map(params![host, service, millis(now)], pause)?;
    let pauses: Vec<Pause> = pauses.collect::<rusqlite::Result<_>>()?;
    Ok(pauses.into_iter().max_by_key(|pause| pause.left.unwrap_or(Duration::MAX)))
}

/// Returns the job that has answered this event since the last reset. Only jobs after the reset
/// count, because an admin who resets the breaker wants the event to be answered again.
fn same_event(
    store: &Connection,
    event: &Event,
    reset: Option<i64>,
    now: SystemTime,
) -> rusqlite::Result<Option<String>> {
    answered(store, event, Some(&event.change()), reset, now)
}

/// Returns the job that has answered this problem since the last reset.
fn same_problem(
    store: &Connection,
    event: &Event,
    reset: Option<i64>,
    now: SystemTime,
) -> rusqlite::Result<Option<String>> {
    answered(store, event, None, reset, now)
}

/// Returns the newest job after `since` for the problem of this event. If `at` is given, considers
/// only jobs for that state, state type and attempt. Ignores jobs that could not run, because they
/// have not answered anything.
fn answered(
    store: &Connection,
    event: &Event,
    at: Option<&str>,
    since: Option<i64>,
    now: SystemTime,
) -> rusqlite::Result<Option<String>> {
    let Some(problem) = &event.problem_id else { return Ok(None) };
    let (host, service) = object(event);
    let remembered = millis(now) - span_millis(SAME_EVENT_WITHIN);
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
                since.unwrap_or(remembered).max(remembered),
                RepairOutcome::CouldNotRun.as_str()
            ],
            |row| row.get(0),
        )
        .optional()
}

/// Returns the time of the newest reset of the object or its host. A reset in the future is
/// ignored, because it would hide every repair until then.
fn last_reset(store: &Connection, event: &Event, now: SystemTime) -> rusqlite::Result<Option<i64>> {
    let (host, service) = object(event);
    let mut newest =
        store.prepare("SELECT max(at) FROM reset WHERE host = ?1 AND service = ?2 AND at <= ?3")?;
    let until = millis(now + CLOCK_TOLERANCE);
    let mut of = |service: &[u8]| -> rusqlite::Result<Option<i64>> {
        newest.query_row(params![host, service, until], |row| row.get(0))
    };
    Ok(of(&[])?.max(of(&service)?))
}

/// Returns the job of this object whose start or end lies furthest in the future. Reads only
/// records in the future, of which there are normally none. A repair that started in the future and
/// has no recorded end is always among `unended`, because its lease ends even later.
fn ahead(
    store: &Connection,
    unended: &[Unended],
    event: &Event,
    now: SystemTime,
) -> rusqlite::Result<Option<(String, Duration)>> {
    let (host, service) = object(event);
    let future = millis(now + CLOCK_TOLERANCE);
    let ended = store
        .query_row(
            "SELECT job, ended FROM repair INDEXED BY repair_by_end \
             WHERE ended > ?3 AND host = ?1 AND service = ?2 ORDER BY ended DESC LIMIT 1",
            params![host, service, future],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let begun = unended.iter().filter(|repair| {
        repair.host == host && repair.service == service && repair.reserved > future
    });
    let newest = begun.map(|repair| (repair.job.clone(), repair.reserved)).chain(ended);
    Ok(newest
        .max_by_key(|(_, at)| *at)
        .map(|(job, at)| (job, time(at).duration_since(now).unwrap_or_default())))
}

/// A repair that counts as running.
struct Unended {
    job: String,
    host: Vec<u8>,
    service: Vec<u8>,
    reserved: i64,
}

/// Returns the repairs that count as running: those within their lease, and those with a live
/// process. The worker can outlive its lease if the clock was set or the machine was suspended.
fn unended(
    store: &Connection,
    alive: Alive<'_>,
    now: SystemTime,
) -> rusqlite::Result<Vec<Unended>> {
    let mut all = store.prepare(
        "SELECT job, lease_until > ?1, host, service, reserved FROM repair \
         INDEXED BY repair_running WHERE ended IS NULL",
    )?;
    let row = |row: &Row<'_>| {
        let job: String = row.get(0)?;
        let runs = row.get(1)? || alive(&job);
        let (host, service, reserved) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(runs.then_some(Unended { job, host, service, reserved }))
    };
    all.query_map([millis(now)], row)?.filter_map(Result::transpose).collect()
}

fn running(unended: &[Unended], event: &Event, now: SystemTime) -> Option<(String, Duration)> {
    let (host, _) = object(event);
    let here = unended.iter().find(|repair| repair.host == host)?;
    Some((here.job.clone(), age(here.reserved, now)))
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
