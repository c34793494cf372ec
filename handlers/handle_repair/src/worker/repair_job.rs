//! The repair that a worker runs.

use std::time::SystemTime;

use policy::JobId;
use policy_file::Config;

use crate::cli::Invocation;

/// A repair, before or after its reservation.
pub struct RepairJob<'a> {
    /// The parsed command line that requested the repair.
    pub invocation: &'a Invocation,
    /// The parsed policy.json.
    pub config: &'a Config,
    /// Job ID, assigned by the handler.
    pub id: &'a JobId,
    /// When Nagios called the handler.
    pub at: SystemTime,
    /// When Nagios saw the fault. Only later checks can show a recovery.
    pub called: SystemTime,
}
