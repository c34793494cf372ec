//! Reads the history for a decision from the ledger, and converts times to ages.

use std::time::{Duration, SystemTime};

use policy::{
    Event, FleetUsage, Horizon, PastOutcome, PastRepair, Pause, ReasonCode, RecordedHistory,
    SAME_EVENT_WITHIN,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::CLOCK_TOLERANCE;
use super::row::{bytes, millis, span_millis, time};
use crate::RepairOutcome;

/// A function that returns whether any process of a job is alive.
pub(super) type Alive<'a> = &'a dyn Fn(&str) -> bool;

/// Reads the history of the event's object and of the fleet, as far back as `horizon`. Ages are
/// relative to `now`.
pub(super) fn read(
    store: &Connection,
    alive: Alive<'_>,
    event: &Event,
    horizon: &Horizon,
    now: SystemTime,
) -> rusqlite::Result<RecordedHistory> {
    let unended = unended(store, alive, now)?;
    let reset = last_reset(store, event, now)?;
    let trouble = Trouble::read(store, event, horizon, now)?;
    Ok(RecordedHistory {
        paused: paused(store, event, now)?,
        same_event: same_event(store, event, reset, now)?,
        same_problem: same_problem(store, event, reset, now)?,
        ahead: ahead(store, event, now)?,
        running: running(&unended, event, now),
        repairs: trouble.repairs,
        refused: trouble.refused,
        reset: reset.map(|at| age(at, now)),
        fleet: fleet_beside(store, &unended, horizon.fleet, now)?,
    })
}

/// Returns the time that has passed since `at`. A time in the future counts as `now`, which never
/// allows a repair that would otherwise be refused.
fn age(at: i64, now: SystemTime) -> Duration {
    now.duration_since(time(at)).unwrap_or(Duration::ZERO)
}

/// Returns the host and service of an event in the form in which the ledger stores them.
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

/// Returns the newest job after `since` for the problem of this event. If `at` is given, only jobs
/// for that state, type and attempt count. A job that could not run has not answered anything.
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
    let sql = "SELECT max(at) FROM reset WHERE host = ?1 AND service IN (x'', ?2) AND at <= ?3";
    store.query_row(sql, params![host, service, millis(now + CLOCK_TOLERANCE)], |row| row.get(0))
}

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
            params![host, service, millis(now + CLOCK_TOLERANCE)],
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

/// Returns the repairs that count as running: those within their lease, and those with a live
/// process. The worker can outlive its lease if the clock was set or the machine was suspended.
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

/// The repairs of one object, and the refusals that show how long its incident lasted.
#[derive(Default)]
struct Trouble {
    repairs: Vec<PastRepair>,
    refused: Vec<Duration>,
}

impl Trouble {
    /// Reads from the newest record back in time, until the start of the incident is found and no
    /// older repair counts against a quota.
    fn read(
        store: &Connection,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> rusqlite::Result<Trouble> {
        let refusals = Refusals { store, event };
        let quiet = span_millis(horizon.limits.healthy_for);
        let mut trouble = Trouble::default();
        let newest = refusals.newest_between(i64::MIN, i64::MAX)?;
        trouble.refused.extend(newest.map(|at| age(at, now)));
        let (mut since, mut is_over) = (millis(now), false);
        let mut rows = store.prepare(REPAIRS)?;
        let (host, service) = object(event);
        let mut rows = rows.query(params![host, service])?;
        while let Some(row) = rows.next()? {
            let (began, ended): (i64, i64) = (row.get(1)?, row.get(2)?);
            if !is_over {
                let chain = refusals.chain(ended, since, quiet)?;
                since = chain.last().map_or(since, |oldest| since.min(*oldest));
                is_over = since.saturating_sub(ended) >= quiet;
                trouble.refused.extend(chain.into_iter().map(|at| age(at, now)));
            }
            if is_over && age(ended, now) >= horizon.repairs() {
                break;
            }
            let relapse = ended.saturating_add(span_millis(horizon.limits.relapse));
            let soon = refusals.newest_between(ended, relapse)?;
            trouble.refused.extend(soon.map(|at| age(at, now)));
            trouble.repairs.push(past_repair(row, now)?);
            since = since.min(began);
        }
        trouble.refused.sort_unstable();
        trouble.refused.dedup();
        Ok(trouble)
    }
}

/// Selects the repairs of one object, the newest first. A repair whose worker died has no recorded
/// end, so it counts as ended when its lease ends. The repairs of one object do not overlap, so
/// they end in the order in which they were reserved, and there is an index for that order.
const REPAIRS: &str = "SELECT job, reserved, coalesce(ended, lease_until), outcome FROM repair \
    WHERE host = ?1 AND service = ?2 ORDER BY reserved DESC";

fn past_repair(row: &Row<'_>, now: SystemTime) -> rusqlite::Result<PastRepair> {
    let word: Option<String> = row.get(3)?;
    let outcome = match word.as_deref().and_then(RepairOutcome::from_word) {
        Some(RepairOutcome::Healed) => PastOutcome::Healed,
        Some(RepairOutcome::CouldNotRun) => PastOutcome::NotRun,
        Some(RepairOutcome::NotHealed | RepairOutcome::Unknown) | None => PastOutcome::Failed,
    };
    Ok(PastRepair {
        job: row.get(0)?,
        began: age(row.get(1)?, now),
        ended: age(row.get(2)?, now),
        outcome,
    })
}

/// The refusals of one object, except those with the reason `same-event`. If Nagios repeats an
/// event, that is not a sign of new trouble.
struct Refusals<'a> {
    store: &'a Connection,
    event: &'a Event,
}

impl Refusals<'_> {
    /// Returns the time of the newest refusal between two times, both exclusive.
    fn newest_between(&self, after: i64, before: i64) -> rusqlite::Result<Option<i64>> {
        self.one("SELECT max(at)", after, before)
    }

    /// Returns a chain of refusals that leads from `since` back towards `until` in steps shorter
    /// than `quiet`. Each step is as long as possible, so the chain has few elements.
    fn chain(&self, until: i64, since: i64, quiet: i64) -> rusqlite::Result<Vec<i64>> {
        let (mut chain, mut from) = (Vec::new(), since);
        while let Some(at) = self.one(
            "SELECT min(at)",
            from.saturating_sub(quiet).max(until.saturating_sub(1)),
            from,
        )? {
            chain.push(at);
            from = at;
        }
        Ok(chain)
    }

    fn one(&self, what: &str, after: i64, before: i64) -> rusqlite::Result<Option<i64>> {
        let (host, service) = object(self.event);
        let repeated = ReasonCode::SameEvent.as_str();
        let sql = format!(
            "{what} FROM refusal WHERE host = ?1 AND service = ?2 AND at > ?3 AND at < ?4 \
             AND reason <> ?5"
        );
        self.store
            .prepare(&sql)?
            .query_row(params![host, service, after, before, repeated], |row| row.get(0))
    }
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
