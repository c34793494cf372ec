//! Gathers the history that a decision needs from the queries of a store, and converts times to
//! ages.

use std::time::{Duration, SystemTime};

use policy::{Event, FleetUsage, Horizon, Pause, RecordedHistory, SAME_EVENT_WITHIN};

use crate::facts::{Facts, Unended};
use crate::value::{age, millis, object, span_millis, time};
use crate::{Error, trouble};

/// Tolerance for corrections to the system clock. If a recorded time is further in the future than
/// this, the clock was set back.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// Reads the history of the event's object and of the fleet, as far back as `horizon` requires.
/// Ages are relative to `now`.
pub(crate) fn read(
    facts: &impl Facts,
    event: &Event,
    horizon: &Horizon,
    now: SystemTime,
) -> Result<RecordedHistory, Error> {
    let unended = facts.unended(millis(now))?;
    let reset = last_reset(facts, now)?;
    let mut history = trouble::read(facts, horizon, reset, now)?;
    history.paused = paused(facts, now)?;
    if let Some(problem) = &event.problem_id {
        // Only jobs after the reset count, because an admin who resets the breaker wants the same
        // event to be able to start another repair.
        let remembered = millis(now) - span_millis(SAME_EVENT_WITHIN);
        let since = reset.unwrap_or(remembered).max(remembered);
        history.same_event = facts.answered(problem, Some(&event.change()), since)?;
        history.same_problem = facts.answered(problem, None, since)?;
    }
    history.ahead = ahead(facts, &unended, event, now)?;
    history.running = running(&unended, event, now);
    history.fleet = fleet_beside(facts, &unended, horizon.fleet, now)?;
    Ok(history)
}

/// Reads only what the limits of the object depend on: its repairs, its refusals and its reset.
pub(crate) fn read_for_limits(
    facts: &impl Facts,
    horizon: &Horizon,
    now: SystemTime,
) -> Result<RecordedHistory, Error> {
    trouble::read(facts, horizon, last_reset(facts, now)?, now)
}

/// Returns the pause that covers the object. If several pauses cover it, returns the one that lasts
/// longest.
pub(crate) fn paused(facts: &impl Facts, now: SystemTime) -> Result<Option<Pause>, Error> {
    let left = |until| time(until).duration_since(now).unwrap_or(Duration::ZERO);
    let pauses = facts.pauses(millis(now))?.into_iter().map(|pause| Pause {
        by: pause.by,
        reason: pause.reason,
        left: pause.until.map(left),
    });
    Ok(pauses.max_by_key(|pause| pause.left.unwrap_or(Duration::MAX)))
}

/// Returns how much of the fleet limits is used.
pub(crate) fn fleet(
    facts: &impl Facts,
    window: Duration,
    now: SystemTime,
) -> Result<FleetUsage, Error> {
    fleet_beside(facts, &facts.unended(millis(now))?, window, now)
}

/// Returns the time of the newest reset. A reset in the future is ignored, because it would hide
/// every repair until then.
fn last_reset(facts: &impl Facts, now: SystemTime) -> Result<Option<i64>, Error> {
    facts.last_reset(millis(now + CLOCK_TOLERANCE))
}

/// Returns the job of this object whose start or end lies furthest in the future. Reads only
/// records with a time in the future, and normally there are none. A repair that started in the
/// future and has no recorded end is always among `unended`, because its lease also ends in the
/// future.
fn ahead(
    facts: &impl Facts,
    unended: &[Unended],
    event: &Event,
    now: SystemTime,
) -> Result<Option<(String, Duration)>, Error> {
    let (host, service) = object(event);
    let future = millis(now + CLOCK_TOLERANCE);
    let begun = unended.iter().filter(|repair| {
        repair.host == host && repair.service == service && repair.reserved > future
    });
    let newest =
        begun.map(|repair| (repair.job.clone(), repair.reserved)).chain(facts.ended_after(future)?);
    Ok(newest
        .max_by_key(|(_, at)| *at)
        .map(|(job, at)| (job, time(at).duration_since(now).unwrap_or_default())))
}

fn running(unended: &[Unended], event: &Event, now: SystemTime) -> Option<(String, Duration)> {
    let (host, _) = object(event);
    let here = unended.iter().find(|repair| repair.host == host)?;
    Some((here.job.clone(), age(here.reserved, now)))
}

fn fleet_beside(
    facts: &impl Facts,
    unended: &[Unended],
    window: Duration,
    now: SystemTime,
) -> Result<FleetUsage, Error> {
    let running = u32::try_from(unended.len()).unwrap_or(u32::MAX);
    let (started, first) = facts.started_since(millis(now) - span_millis(window))?;
    let oldest_start = first.map(|at| age(at, now)).unwrap_or_default();
    Ok(FleetUsage { running, started, oldest_start })
}
