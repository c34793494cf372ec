//! `handle_repair` and its worker: one story, two programs.
//!
//! The handler ([`handler`]) runs on every state change of every service. It reads the policy,
//! decides, and nearly always does nothing. When a repair is called for, it starts the worker
//! ([`worker`]), which outlives Nagios' timeout: it reserves, repairs, verifies, records and tells
//! Nagios.

pub mod cli;
pub mod explain;
pub mod handler;
pub mod job;
pub mod verdict;
#[cfg(feature = "worker")]
pub mod worker;
