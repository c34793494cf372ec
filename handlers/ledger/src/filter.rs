//! Which repairs and refusals are asked for.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::record::{RecordedReason, RepairState};

/// Everything by default; each field narrows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Whose.
    pub which: Which<'a>,
    /// Not before this time: when a repair was reserved, or a refusal spoken.
    pub since: Option<SystemTime>,
    /// Before this time.
    pub until: Option<SystemTime>,
    /// The state of a repair; refusals have none.
    pub state: Option<RepairState>,
    /// At most this many, the newest ones.
    pub limit: Option<u32>,
}

/// Whose repairs and refusals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Which<'a> {
    /// Everybody's.
    #[default]
    All,
    /// A host's and those of its services.
    Host(&'a str),
    /// One object's: a service of a host, or the host itself.
    Object(&'a str, Option<&'a str>),
}

/// Refusals of one object for one reason, counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusalCount {
    /// The host's name in Nagios.
    pub host: String,
    /// The service's description.
    pub service: Option<String>,
    /// Why.
    pub reason: RecordedReason,
    /// How many.
    pub count: u32,
    /// When the first of them was.
    pub first: SystemTime,
    /// When the last of them was.
    pub last: SystemTime,
}
