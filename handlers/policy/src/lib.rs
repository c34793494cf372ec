//! The decision: an [`Event`] of Nagios, the [`Policy`] and what is known of earlier repairs make a [`Decision`].
//!
//! Pure: no clock, no files, no sockets, which the empty dependency list of the manifest proves. Time and history are
//! arguments. When in doubt, it stands still.

mod decide;
mod event;
mod names;
mod rules;

pub use decide::{Decision, History, SAME_EVENT_WITHIN, Why, admit, consider, decide};
pub use event::{BadWord, Event, State, StateType};
pub use names::{BadName, JobId, RepairName};
pub use rules::{Act, Policy, Rules, Rung};
