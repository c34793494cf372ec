//! The repair that a worker runs.

use std::time::SystemTime;

use policy::JobId;
use policy_file::Config;

use crate::cli::Invocation;

/// A repair, before or after its reservation.
pub struct RepairJob<'a> {
    /// Command line that requested the repair.
    pub invocation: &'a Invocation,
    /// The parsed policy.json.
    pub config: &'a Config,
    /// Job ID, assigned by the handler.
    pub id: &'a JobId,
    /// Time of the call.
    pub at: SystemTime,
    /// Time at which Nagios saw the fault. Only results of later checks can show a recovery.
    pub called: SystemTime,
}
