//! The decision: an [`Event`] of Nagios, the rules, and what is known of earlier repairs make a [`Decision`].
//!
//! Pure: no clock, no files, no sockets, which the empty dependency list of the manifest proves. Time and history are
//! arguments.

mod names;

pub use names::{BadName, JobId, RepairName};
