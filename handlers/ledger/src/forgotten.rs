//! Forgotten repairs: their worker died, and no later event or sweep has looked for their outcome,
//! for example because the host is no longer monitored. Every decision has to read all repairs
//! without a recorded end. To keep their number small, each decision records the end of a few
//! forgotten ones.

use std::time::Duration;

use crate::RepairOutcome;

/// How long after the end of its lease a repair with a dead worker counts as forgotten. Until then,
/// an event of the host or a sweep can still find out how the repair ended, and `check_repairs`
/// reports that its worker is dead.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Maximum number of forgotten repairs whose end one decision records. The number is small, because
/// all other decisions wait until the ends have been recorded.
pub(crate) const ENDED_PER_DECISION: usize = 10;

/// Returns the outcome and the text to record for a forgotten repair. `rung` is the number of the
/// rung that began last, or 0 before the first. The repair's recorded end is the end of its lease.
pub(crate) fn ending(job: &str, rung: u32) -> (RepairOutcome, String) {
    let (outcome, text) = match rung {
        0 => (RepairOutcome::CouldNotRun, "no rung had started"),
        _ => (RepairOutcome::Unknown, "neither an event nor a sweep has looked for its outcome"),
    };
    (outcome, format!("its worker died; {text} (job {job})"))
}
