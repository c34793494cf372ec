//! Decides whether to repair. [`decide()`] takes an [`Event`] from Nagios, the [`Policy`] and the
//! [`History`] of earlier repairs, and returns a [`Decision`]. When in doubt, the decision is to do
//! nothing.
//!
//! This crate uses no clock, no files and no sockets. It is `no_std`, and its manifest lists no
//! dependencies. The caller passes times as part of the history.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[macro_use]
mod words;

/// Expands to the advice to run `repairctl doctor`, for error messages whose fix is a command that
/// root must run. A process that runs as Nagios' user must not print such a command itself, because
/// Nagios' user could forge the command. `repairctl doctor` may print it, because a process of
/// doctor that runs as root builds the command.
#[macro_export]
macro_rules! see_doctor {
    () => {
        "run `repairctl doctor` as root to get the fix"
    };
}

mod decide;
mod event;
mod history;
mod horizon;
mod names;
mod reason;
mod reason_code;
mod rounded;
mod rule;
mod rules;
mod spelling;

pub use decide::{Decision, admit, consider, decide, still_wanted, within_limits};
pub use event::{BadWord, Event, ObjectState, StateType, object_name};
pub use history::{
    FleetUsage, History, ObjectNow, Observation, PastOutcome, PastRepair, Pause, REFUSALS_KEPT,
    RecordedHistory, RefusalRun, SAME_EVENT_WITHIN,
};
pub use horizon::Horizon;
pub use names::{BadName, JobId, RepairName};
pub use reason::Reason;
pub use reason_code::ReasonCode;
pub use rounded::Rounded;
pub use rule::Rule;
pub use rules::{Act, Fleet, Limits, Policy, Quota, Rules, Rung, RungKind};
pub use spelling::{respell, spell, unspell};
