//! Filters for queries of repairs and refusals.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::record::{RecordedReason, RepairState};

/// A filter for repairs and refusals. The default matches everything, and each field narrows the
/// selection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Hosts and services to include.
    pub which: Which<'a>,
    /// Start of the time range, inclusive. The range applies to the time when a repair was reserved
    /// or refused.
    pub since: Option<SystemTime>,
    /// End of the time range, exclusive.
    pub until: Option<SystemTime>,
    /// States of the repair; empty for all states. Queries for refusals ignore this field.
    pub states: &'a [RepairState],
    /// Maximum number of results. The newest ones are returned. [`Ledger::count_refused`] ignores
    /// this field.
    ///
    /// [`Ledger::count_refused`]: crate::Ledger::count_refused
    pub limit: Option<u32>,
}

/// Selects the hosts and services that a query covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Which<'a> {
    /// All hosts and services.
    #[default]
    All,
    /// One host and all its services.
    Host(&'a str),
    /// One service of a host, or the host itself if the service is `None`.
    Object(&'a str, Option<&'a str>),
}

/// Bounds that cover the limits of all repairs in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitBounds {
    /// The longest `healthy_for` of any repair. An incident ends after `healthy_for` without a
    /// fault.
    pub healthy_for: Duration,
    /// The longest window of any repair's budget.
    pub window: Duration,
    /// The smallest number of repairs that makes an object reach any of its limits.
    pub fewest: u32,
}

/// How many times repairs of an object were refused for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusalCount {
    /// Name of the host in Nagios.
    pub host: String,
    /// Description of the service; `None` for the host itself.
    pub service: Option<String>,
    /// The reason for all of these refusals.
    pub reason: RecordedReason,
    /// Number of refusals that match the filter.
    pub count: u32,
    /// Time of the first refusal that matches the filter.
    pub first: SystemTime,
    /// Time of the last refusal that matches the filter.
    pub last: SystemTime,
}

/// How many refusals match a filter, by reason and by object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RefusalTotals {
    /// The number of refusals for each reason, the highest number first.
    pub reasons: Vec<(RecordedReason, u32)>,
    /// The objects with the most refusals for the one reason that the caller selected, the highest
    /// count first.
    pub objects: Vec<RefusalCount>,
    /// Total number of objects with a refusal for the selected reason, including those left out of
    /// `objects`.
    pub all_objects: usize,
}
