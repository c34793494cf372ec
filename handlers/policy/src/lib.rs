//! The decision: an [`Event`] of Nagios, the [`Policy`] and what is known of earlier repairs make a
//! [`Decision`].
//!
//! Pure: no clock, no files, no sockets, which `no_std` and the empty dependency list of the
//! manifest prove. Time and history are arguments. When in doubt, it does nothing.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod decide;
mod event;
mod history;
mod names;
mod rules;
mod why;

pub use decide::{Decision, admit, consider, decide};
pub use event::{BadWord, Event, State, StateType};
pub use history::{FleetNow, History, ObjectNow, Past, PastOutcome, Pause, SAME_EVENT_WITHIN};
pub use names::{BadName, JobId, RepairName};
pub use rules::{Act, Fleet, Limits, Policy, Quota, Rules, Rung};
pub use why::{Span, Why};
