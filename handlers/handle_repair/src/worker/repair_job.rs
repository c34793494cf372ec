//! One job of the worker.

use std::time::SystemTime;

use policy::JobId;
use policy_file::Config;

use crate::cli::Invocation;

/// A repair that is to be reserved, or has been.
pub struct RepairJob<'a> {
    /// The call that wants it.
    pub invocation: &'a Invocation,
    /// The policy.
    pub config: &'a Config,
    /// Its identity.
    pub id: &'a JobId,
    /// When Nagios saw the fault.
    pub called: SystemTime,
}
