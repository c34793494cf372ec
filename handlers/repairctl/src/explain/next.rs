//! What triggers the next attempt to repair an object, and when.

use std::time::SystemTime;

use engine::status_file::{ObjectReport, ObjectStatus, ProgramStatus};
use policy::{Rules, StateType};
use serde::{Deserialize, Serialize};

use super::no_action::NoAction;
use crate::sweep::eligibility::{Ineligible, MissedRepair};
use crate::ui::time;

/// The next attempt.
#[derive(Debug, Serialize, Deserialize)]
pub struct NextAttempt {
    /// What triggers it, or why nothing does.
    pub trigger: String,
    /// When, as far as that is known.
    pub at: Option<SystemTime>,
}

/// What an object waits for.
pub enum Waiting<'a> {
    /// Nobody knows its state.
    NotKnown,
    /// It is in order, or not in a state that is repaired, or Nagios has still to confirm the
    /// fault.
    Result(&'a ObjectReport, &'a ObjectStatus),
    /// Its fault is confirmed: Nagios calls no handler again while it stays so.
    Sweep(&'a ObjectReport, &'a ObjectStatus, Result<MissedRepair, Ineligible>),
}

impl NextAttempt {
    /// `rules` are those of its repair, and `refused` why nothing would be done now.
    pub fn of(
        waiting: &Waiting<'_>,
        rules: Option<&Rules>,
        refused: Option<&NoAction>,
        now: SystemTime,
    ) -> NextAttempt {
        let Some(rules) = rules else {
            return NextAttempt::never("nothing: it has no repair in the policy");
        };
        match waiting {
            Waiting::NotKnown => NextAttempt::never(
                "the next change of its state in Nagios; how it is now is not known",
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

    /// For people.
    pub fn text(&self) -> String {
        let at = self.at.map(|at| format!(", at {}", time::shown(at))).unwrap_or_default();
        format!("{}{at}", self.trigger)
    }
}

/// Nothing is tried where Nagios calls no handler.
fn off(program: &ProgramStatus, object: &ObjectStatus) -> Option<NextAttempt> {
    if !program.event_handlers {
        let why = "nothing: event handlers are off in Nagios (enable_event_handlers)";
        return Some(NextAttempt::never(why));
    }
    is_switched_off(object)
        .then(|| NextAttempt::never("nothing: its event handler is off in Nagios"))
}

/// Whether the file says that Nagios does not call its event handler.
fn is_switched_off(object: &ObjectStatus) -> bool {
    !object.event_handler_enabled && object.event_handler_line > 0
}

/// Nagios calls the handler at each SOFT result and when the state gets HARD.
fn after_result(object: &ObjectStatus, rules: &Rules) -> NextAttempt {
    let soft = rules.soft_attempt.min(object.max_attempts.saturating_sub(1));
    let first = if soft > 0 { format!("from SOFT {soft} on, and ") } else { String::new() };
    match (object.state().is_good(), object.state_type) {
        (true, _) => NextAttempt::never(format!("a fault: {first}when it is HARD")),
        (false, StateType::Soft) => {
            let next = object.attempt.saturating_add(1);
            let due = (next >= soft && object.next_check > SystemTime::UNIX_EPOCH)
                .then_some(object.next_check);
            let (attempt, of) = (next.max(soft), object.max_attempts);
            NextAttempt { trigger: format!("Nagios' result at attempt {attempt} of {of}"), at: due }
        }
        (false, StateType::Hard) => NextAttempt::never("the next change of its state in Nagios"),
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
            let reset = "unless it is reset (repairctl reset)";
            (format!("nothing while it stays {state}, {reset}: {why}"), None)
        }
        (_, Some(refused)) if refused.allowed_at.is_some() => {
            ("the first sweep after that time".to_owned(), refused.allowed_at)
        }
        (_, Some(_)) => ("the first sweep after this has ended".to_owned(), None),
        (Ok(missed), None) => (format!("the next sweep: {missed}"), None),
        (Err(Ineligible::TriedLately { left, .. }), None) => {
            ("the first sweep after a pause".to_owned(), now.checked_add(*left))
        }
        (Err(why @ (Ineligible::NotCheckedYet | Ineligible::NotCheckedSince(_))), None) => {
            (format!("the first sweep after Nagios' next check; {why}"), checked)
        }
    };
    NextAttempt { trigger, at }
}

/// Whether it is a confirmed fault that these rules repair: Nagios does not call for it again while
/// it stays so.
pub fn is_left_to_the_sweep(object: &ObjectStatus, rules: &Rules) -> bool {
    let is_switched_on = object.event_handler_enabled || object.event_handler_line > 0;
    is_switched_on && object.state_type == StateType::Hard && rules.on.contains(&object.state())
}
