//! Repairs whose worker died, and for which no later event or sweep has looked for the outcome. For
//! example, their host is no longer monitored. Each decision reads all repairs that have not ended,
//! so decisions end the forgotten ones.

use std::time::Duration;

use crate::RepairOutcome;

/// How long after its lease a repair without a worker counts as forgotten. Until then, an event of
/// its host or a sweep can still find out how it ended, and `check_repairs` reports that its worker
/// is dead.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How many forgotten repairs one decision ends, because other decisions wait for it.
pub(crate) const ENDED_PER_DECISION: usize = 10;

/// Returns the outcome and the text to record for a forgotten repair. `rung` is the number of the
/// rung that began last, or 0 before the first. The end to record is the end of the lease.
pub(crate) fn ending(job: &str, rung: u32) -> (RepairOutcome, String) {
    let (outcome, text) = match rung {
        0 => (RepairOutcome::CouldNotRun, "no rung had started"),
        _ => (RepairOutcome::Unknown, "neither an event nor a sweep has looked for its outcome"),
    };
    (outcome, format!("its worker died; {text} (job {job})"))
}
