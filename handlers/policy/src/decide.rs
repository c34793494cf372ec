//! Decides whether an event leads to a repair. The rules that need only the event are applied
//! first, then those that need the history. The first rule that refuses provides the reason.

use crate::{
    Event, Fleet, History, Limits, ObjectState, Policy, Reason, RecordedHistory, RepairName, Rule,
    Rules, StateType,
};

/// Whether an event leads to a repair and, if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Run this repair, starting at the first rung of its ladder.
    Repair(RepairName),
    /// Do nothing, for this reason.
    NoAction(Reason),
}

/// Applies all rules to an event. Grants the repair only if none of them refuses it.
pub fn decide(event: &Event, policy: &Policy, history: &History) -> Decision {
    let granted = consider(event, policy)
        .and_then(|(name, rules)| admit(&rules.limits, &policy.fleet, history).map(|()| name));
    match granted {
        Ok(name) => Decision::Repair(name.clone()),
        Err(why) => Decision::NoAction(why),
    }
}

/// Applies the rules that need no history. They refuse nearly every event. Returns the name and the
/// rules of the repair that the event calls for.
///
/// # Errors
/// Returns why the event calls for no repair.
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

/// Checks that the fault is confirmed. A HARD state is always confirmed. A SOFT state is confirmed
/// from attempt `soft_attempt` on. If `max_check_attempts` leaves fewer SOFT attempts, the last one
/// is enough.
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

/// Checks that enough consecutive results call for the repair. The attempt number cannot show this,
/// because Nagios counts every bad result. For example, the first CRITICAL after two WARNINGs is
/// SOFT 3. An event holds only one earlier result, the previous one. If Nagios did not pass the
/// previous result, the result counts as not matching.
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

/// Applies the rules that need the history. These rules can refuse a repair, but never demand one.
/// A rule that refuses a repair would also refuse it if the history contained more records.
///
/// # Errors
/// Returns the reason from the first rule that refuses.
pub fn admit(limits: &Limits, fleet: &Fleet, history: &History) -> Result<(), Reason> {
    Rule::ALL.iter().try_for_each(|rule| rule.check(limits, fleet, history))
}

/// Applies the rules whose result can change between the event and the repair: recovery, downtimes,
/// acknowledgement, flapping and pauses.
///
/// # Errors
/// Returns why the repair is no longer wanted.
pub fn still_wanted(history: &History) -> Result<(), Reason> {
    Rule::CHANGING.iter().try_for_each(|rule| rule.check_now(history))
}

/// Applies the limits of one object: cooldown, breaker, incident budget and window budget.
///
/// # Errors
/// Returns the reason from the first limit that is reached.
pub fn within_limits(limits: &Limits, history: &RecordedHistory) -> Result<(), Reason> {
    Rule::OF_OBJECT.iter().try_for_each(|rule| rule.check_limit(limits, history))
}
