//! The event handler `handle_repair` and its worker `repair_worker`.
//!
//! The handler ([`handler`]) runs on every state change of every service. It reads the policy,
//! decides, and nearly always does nothing. When a repair may be needed, it adds the call to the
//! queue ([`queue`]) for the worker ([`worker`]), which is not subject to Nagios' timeout. The
//! worker reserves the repair, runs it, verifies and records the result and notifies Nagios.

pub mod cli;
pub mod event_age;
pub mod explain;
pub mod handler;
pub mod job;
pub mod queue;
pub mod verdict;
#[cfg(feature = "worker")]
pub mod worker;
