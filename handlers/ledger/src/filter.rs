//! Filters for queries of repairs and refusals.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::record::{RecordedReason, RepairState};

/// A filter for repairs and refusals. The default matches everything; each field narrows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Hosts and services to include.
    pub which: Which<'a>,
    /// Start of the time range in which the repair was reserved or refused, inclusive.
    pub since: Option<SystemTime>,
    /// End of the time range, exclusive.
    pub until: Option<SystemTime>,
    /// State of the repair. Queries for refusals ignore this.
    pub state: Option<RepairState>,
    /// Maximum number of results. If there are more, only the newest are returned.
    pub limit: Option<u32>,
}

/// Which hosts and services a query covers.
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

/// How often an object was refused a repair for one reason.
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
    /// When the first refusal that matches the filter happened.
    pub first: SystemTime,
    /// When the last refusal that matches the filter happened.
    pub last: SystemTime,
}
