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
    /// When a check found the fault. Only later checks can show a recovery.
    pub seen: SystemTime,
    /// Time from which the age of the event is measured. This is `seen`, or the time of the call if
    /// the sweep has just found the fault in the engine's current state.
    pub since: SystemTime,
}
