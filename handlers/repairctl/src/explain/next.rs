//! What triggers the next attempt to repair an object, and when.

use std::time::SystemTime;

use engine::status_file::{ObjectReport, ObjectStatus, ProgramStatus};
use policy::{Rules, StateType};
use serde::{Deserialize, Serialize};

use super::no_action::NoAction;
use crate::sweep::eligibility::{Ineligible, MissedRepair};
use crate::ui::time;

/// The next attempt to repair an object.
#[derive(Debug, Serialize, Deserialize)]
pub struct NextAttempt {
    /// What triggers the attempt, or why nothing does.
    pub trigger: String,
    /// Time of the attempt, if it is known.
    pub at: Option<SystemTime>,
}

/// What an object waits for.
pub enum Waiting<'a> {
    /// The object's state is unknown, so it is also unknown what the object waits for.
    NotKnown,
    /// The next check result, because the object is in a good state, in a state that its repair
    /// does not cover, or in a SOFT state.
    Result(&'a ObjectReport, &'a ObjectStatus),
    /// The next sweep, because the fault is HARD and Nagios does not call the handler again until
    /// the state changes.
    Sweep(&'a ObjectReport, &'a ObjectStatus, Result<MissedRepair, Ineligible>),
}

impl NextAttempt {
    /// Returns the next attempt for an object. `rules` are the rules of the object's repair.
    /// `refused` is the reason why an attempt would do nothing now, or `None` if the attempt would
    /// run a repair.
    pub fn of(
        waiting: &Waiting<'_>,
        rules: Option<&Rules>,
        refused: Option<&NoAction>,
        now: SystemTime,
    ) -> NextAttempt {
        let Some(rules) = rules else {
            return NextAttempt::never("nothing: the policy has no repair for this object");
        };
        match waiting {
            Waiting::NotKnown => NextAttempt::never(
                "the object's next state change in Nagios; the current state is unknown",
            ),
            Waiting::Result(report, object) => {
                off(&report.program, object).unwrap_or_else(|| after_result(object, rules))
            }
            Waiting::Sweep(report, object, missed) => off(&report.program, object)
                .unwrap_or_else(|| by_sweep(object, missed, refused, now)),
        }
    }

    fn never(trigger: impl Into<String>) -> NextAttempt {
        NextAttempt { trigger: trigger.into(), at: None }
    }

    /// Returns the trigger and the time as text.
    pub fn text(&self) -> String {
        let at = self.at.map(|at| format!(", at {}", time::shown(at))).unwrap_or_default();
        format!("{}{at}", self.trigger)
    }
}

/// If event handlers are off for all objects or for `object`, returns a [`NextAttempt`] which
/// explains that there will be no attempt. Otherwise returns `None`.
fn off(program: &ProgramStatus, object: &ObjectStatus) -> Option<NextAttempt> {
    if !program.event_handlers {
        let why = "nothing: event handlers are disabled in Nagios (enable_event_handlers)";
        return Some(NextAttempt::never(why));
    }
    is_switched_off(object)
        .then(|| NextAttempt::never("nothing: the object's event handler is disabled in Nagios"))
}

/// Whether the engine reports that the object's event handler is off.
fn is_switched_off(object: &ObjectStatus) -> bool {
    !object.event_handler_enabled && object.knows_event_handler
}

/// Returns when Nagios will call the handler next. Nagios calls the handler after each SOFT result
/// and when the state becomes HARD.
fn after_result(object: &ObjectStatus, rules: &Rules) -> NextAttempt {
    let soft = rules.soft_attempt.min(object.max_attempts.saturating_sub(1));
    let first =
        if soft > 0 { format!("at SOFT attempt {soft} or later, or ") } else { String::new() };
    match (object.state().is_good(), object.state_type) {
        (true, _) => NextAttempt::never(format!("the next fault, {first}when it is HARD")),
        (false, StateType::Soft) => {
            let next = object.attempt.saturating_add(1);
            let due = (next >= soft && object.next_check > SystemTime::UNIX_EPOCH)
                .then_some(object.next_check);
            let (attempt, of) = (next.max(soft), object.max_attempts);
            let trigger = format!("the result of Nagios' check attempt {attempt} of {of}");
            NextAttempt { trigger, at: due }
        }
        (false, StateType::Hard) => NextAttempt::never("the next state change in Nagios"),
    }
}

fn by_sweep(
    object: &ObjectStatus,
    missed: &Result<MissedRepair, Ineligible>,
    refused: Option<&NoAction>,
    now: SystemTime,
) -> NextAttempt {
    let checked = (object.next_check > now).then_some(object.next_check);
    let (trigger, at) = match (missed, refused) {
        (Err(why @ Ineligible::Running(_)), _) => (format!("nothing yet: {why}"), None),
        (
            Err(
                why @ (Ineligible::Escalated(_)
                | Ineligible::StillBroken(_)
                | Ineligible::UnknownTwice(_)
                | Ineligible::HandlerDisabled),
            ),
            _,
        ) => {
            let state = object.state();
            let until =
                format!("until it is no longer {state}, or until somebody runs 'repairctl reset'");
            (format!("nothing {until}: {why}"), None)
        }
        (_, Some(refused)) if refused.allowed_at.is_some() => {
            ("the first sweep after repairs are allowed again".to_owned(), refused.allowed_at)
        }
        (_, Some(_)) => ("the first sweep once this reason no longer applies".to_owned(), None),
        (Ok(missed), None) => (format!("the next sweep: {missed}"), None),
        (Err(Ineligible::TriedLately { left, .. }), None) => {
            ("the first sweep after the waiting time is over".to_owned(), now.checked_add(*left))
        }
        (
            Err(
                why @ (Ineligible::NotCheckedYet
                | Ineligible::NotCheckedSince(_)
                | Ineligible::CheckOverdue),
            ),
            None,
        ) => (format!("the first sweep after Nagios' next check: {why}"), checked),
    };
    NextAttempt { trigger, at }
}

/// Whether only a sweep can start a repair of this object. This is the case for a HARD fault that
/// the rules cover, because Nagios does not call the handler again until the state changes.
pub fn is_left_to_the_sweep(object: &ObjectStatus, rules: &Rules) -> bool {
    let is_switched_on = object.event_handler_enabled || object.knows_event_handler;
    is_switched_on && object.state_type == StateType::Hard && rules.on.contains(&object.state())
}
