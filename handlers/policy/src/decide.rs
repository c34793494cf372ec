//! The decision: what the event alone decides, then the rules that history decides. The first that
//! says no is the answer.

use crate::{
    Event, Fleet, History, Limits, ObjectState, Policy, Reason, RecordedHistory, RepairName, Rule,
    Rules, StateType,
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
    Rule::ALL.iter().try_for_each(|rule| rule.check(limits, fleet, history))
}

/// The part that can change between the event and the repair: recovery, downtimes, acknowledgement,
/// flapping and pauses.
pub fn still_wanted(history: &History) -> Result<(), Reason> {
    Rule::CHANGING.iter().try_for_each(|rule| rule.check_now(history))
}

/// The limits of one object: cooldown, breaker, and the budgets of incident and window.
pub fn within_limits(limits: &Limits, history: &RecordedHistory) -> Result<(), Reason> {
    Rule::OF_OBJECT.iter().try_for_each(|rule| rule.check_limit(limits, history))
}
