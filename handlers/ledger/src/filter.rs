//! Filters for queries of repairs and refusals.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::record::{RecordedReason, RepairState};

/// A filter for repairs and refusals. The default matches everything, and each field narrows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Hosts and services to include.
    pub which: Which<'a>,
    /// Earliest time, inclusive, at which the repair was reserved or refused.
    pub since: Option<SystemTime>,
    /// End of the time range, exclusive.
    pub until: Option<SystemTime>,
    /// State of the repair. Queries for refusals ignore this field.
    pub state: Option<RepairState>,
    /// Maximum number of results. The newest ones are returned.
    pub limit: Option<u32>,
}

/// The hosts and services whose repairs and refusals a query returns.
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

/// The number of refusals of one object for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusalCount {
    /// Name of the host in Nagios.
    pub host: String,
    /// Description of the service; `None` for the host itself.
    pub service: Option<String>,
    /// Reason that all of these refusals share.
    pub reason: RecordedReason,
    /// Number of refusals that match the filter.
    pub count: u32,
    /// Time of the first refusal that matches the filter.
    pub first: SystemTime,
    /// Time of the last refusal that matches the filter.
    pub last: SystemTime,
}
