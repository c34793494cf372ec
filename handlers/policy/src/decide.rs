//! The rules themselves, in the order in which a person would ask them. The first that says no is
//! the answer.

use crate::history::count;
use crate::{
    Event, Fleet, History, Limits, ObjectNow, ObjectState, PastOutcome, PastRepair, Pause, Policy,
    Reason, RecordedHistory, RepairName, Rules, StateType,
};

/// What is to be done about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Climb the ladder of this repair, from its first rung.
    Repair(RepairName),
    /// Do nothing, for this reason.
    NoAction(Reason),
}

/// The whole decision.
pub fn decide(event: &Event, policy: &Policy, history: &History) -> Decision {
    let granted = consider(event, policy)
        .and_then(|(name, rules)| admit(&rules.limits, &policy.fleet, history).map(|()| name));
    match granted {
        Ok(name) => Decision::Repair(name.clone()),
        Err(why) => Decision::NoAction(why),
    }
}

/// The part that needs no history: whether this event calls for a repair at all. Nearly all events
/// end here.
pub fn consider<'a>(
    event: &'a Event,
    policy: &'a Policy,
) -> Result<(&'a RepairName, &'a Rules), Reason> {
    let name = event.repair.as_ref().ok_or(Reason::NoRepairNamed)?;
    if event.state.is_good() {
        return Err(Reason::Recovered(event.state));
    }
    let rules = policy.repairs.get(name).ok_or_else(|| Reason::UnknownRepair(name.clone()))?;
    if !rules.on.contains(&event.state) {
        return Err(Reason::StateNotCovered(event.state, rules.on.clone()));
    }
    if let Some(host_state) = event.host_state
        && event.service.is_some()
        && host_state != ObjectState::Up
    {
        return Err(Reason::HostNotUp(host_state));
    }
    if event.host_downtime > 0 || (event.service.is_none() && event.downtime > 0) {
        return Err(Reason::HostDowntime);
    }
    if event.downtime > 0 {
        return Err(Reason::ServiceDowntime);
    }
    confirmed(event, rules)?;
    Ok((name, rules))
}

/// HARD is always confirmed. SOFT is confirmed from the wanted attempt on, or at the last one
/// before HARD if `max_check_attempts` is too small for the wanted one.
fn confirmed(event: &Event, rules: &Rules) -> Result<(), Reason> {
    let needed = match event.max_attempts {
        Some(0 | 1) => None,
        Some(max) => Some(rules.soft_attempt.min(max - 1)),
        None => Some(rules.soft_attempt),
    };
    match (event.state_type, needed) {
        (StateType::Hard, _) => in_a_row(event, rules),
        (StateType::Soft, Some(needed)) if event.attempt >= needed => in_a_row(event, rules),
        (StateType::Soft, needed) => Err(Reason::TooEarly { attempt: event.attempt, needed }),
    }
}

/// Nagios counts every bad result as an attempt, so the first CRITICAL after two WARNINGs is SOFT
/// 3. The event tells one result back; one that it does not tell was none of the wanted.
fn in_a_row(event: &Event, rules: &Rules) -> Result<(), Reason> {
    let known = if event.last_state.is_some_and(|last| rules.on.contains(&last)) {
        Rules::MOST_IN_A_ROW
    } else {
        1
    };
    if known >= rules.in_a_row {
        return Ok(());
    }
    Err(Reason::NotInARow {
        state: event.state,
        state_type: event.state_type,
        last: event.last_state,
    })
}

/// The part that history decides. It can only say no: more history never makes it bolder.
pub fn admit(limits: &Limits, fleet: &Fleet, history: &History) -> Result<(), Reason> {
    still_wanted(history)?;
    let recorded = &history.recorded;
    if let Some(job) = &recorded.same_event {
        return Err(Reason::SameEvent { job: job.clone() });
    }
    if let Some((job, ahead)) = &recorded.ahead {
        return Err(Reason::ClockWentBack { job: job.clone(), ahead: *ahead });
    }
    if let Some((job, since)) = &recorded.running {
        return Err(Reason::AlreadyRunning { job: job.clone(), since: *since });
    }
    within_limits(limits, recorded)?;
    if let Some(job) = &recorded.same_problem {
        return Err(Reason::SameProblem { job: job.clone() });
    }
    within_fleet(fleet, history)
}

/// The part that can change between the event and the repair: recovery, downtimes, acknowledgement,
/// flapping and pauses.
pub fn still_wanted(history: &History) -> Result<(), Reason> {
    if let Some(observed) = &history.observed {
        unhindered(&observed.object)?;
    }
    match &history.recorded.paused {
        Some(Pause { by, reason, left }) => {
            Err(Reason::Paused { by: by.clone(), reason: reason.clone(), left: *left })
        }
        None => Ok(()),
    }
}

fn unhindered(now: &ObjectNow) -> Result<(), Reason> {
    match *now {
        ObjectNow { state: Some(state), .. } if state.is_good() => Err(Reason::Recovered(state)),
        ObjectNow { host_downtime: true, .. } => Err(Reason::HostDowntime),
        ObjectNow { downtime: true, .. } => Err(Reason::ServiceDowntime),
        ObjectNow { acknowledged: true, .. } => Err(Reason::Acknowledged),
        ObjectNow { flapping: true, .. } => Err(Reason::Flapping),
        _ => Ok(()),
    }
}

/// The limits of one object: cooldown, breaker, and the budgets of incident and window.
pub fn within_limits(limits: &Limits, history: &RecordedHistory) -> Result<(), Reason> {
    // What could not be run has changed nothing: it starts no cooldown and spends no budget.
    let ran = |past: &&PastRepair| past.outcome != PastOutcome::NotRun;
    if let Some(last) = history.repairs.iter().filter(ran).find(|past| past.ended < limits.cooldown)
    {
        return Err(Reason::CoolingDown {
            job: last.job.clone(),
            left: limits.cooldown - last.ended,
        });
    }
    let until_healthy =
        limits.healthy_for.saturating_sub(history.last_trouble().unwrap_or_default());
    let ineffective = history.ineffective(limits);
    if ineffective >= limits.breaker {
        return Err(Reason::BreakerOpen { ineffective, left: until_healthy });
    }
    let spent = history.spent(limits);
    if spent >= limits.per_incident {
        return Err(Reason::IncidentBudget { spent, left: until_healthy });
    }
    let window = history.repairs.iter().filter(ran).filter(|past| past.began < limits.window.per);
    let spent = count(window.clone());
    if spent >= limits.window.count {
        let oldest = window.map(|past| past.began).max().unwrap_or_default();
        return Err(Reason::WindowBudget { spent, left: limits.window.per.saturating_sub(oldest) });
    }
    Ok(())
}

fn within_fleet(fleet: &Fleet, history: &History) -> Result<(), Reason> {
    let now = &history.recorded.fleet;
    if now.running >= fleet.running {
        return Err(Reason::FleetRunning(now.running));
    }
    if now.started >= fleet.started.count {
        return Err(Reason::FleetStarted {
            started: now.started,
            left: fleet.started.per.saturating_sub(now.oldest_start),
        });
    }
    match history.observed.map(|observed| observed.share) {
        // One object in trouble is never "too many", however few there are.
        Some((troubled, of))
            if troubled > 1
                && u64::from(troubled) * 100 > u64::from(of) * u64::from(fleet.share) =>
        {
            Err(Reason::FleetShare { troubled, of, allowed: fleet.share })
        }
        _ => Ok(()),
    }
}
