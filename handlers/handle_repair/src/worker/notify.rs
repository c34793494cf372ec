//! Notifies the monitoring engine of a repair's outcome.

use std::time::Instant;

use engine::{Notification, engine_of};
use ledger::{RepairOutcome, StepKind};
use plugin_kit::Problem;
use policy_file::Config;

use super::executor::LiveExecutor;
use super::ladder::{Ending, Executor};
use super::repair_job::RepairJob;
use super::reserve::ENGINE_TIMEOUT;
use crate::cli::{Invocation, Mode};
use crate::verdict::Verdict;

/// Notifies the engine of the outcome: adds a comment to the repaired object. If the repair helped,
/// also forces a check of the object. Otherwise submits a CRITICAL result for the service that
/// reports repairs.
pub fn ended(job: &RepairJob<'_>, ending: &Ending, line: &str, executor: &mut LiveExecutor<'_>) {
    let healed = ending.outcome == RepairOutcome::Healed;
    let text = match ending.evidence.as_slice() {
        [] => line.to_owned(),
        _ if healed => line.to_owned(),
        evidence => format!("{line}; before: {}", evidence.join(" / ")),
    };
    let notification = Notification { event: &job.invocation.event, text: &text, healed };
    let deadline = Instant::now() + ENGINE_TIMEOUT;
    let mut engine = engine_of(job.config);
    match engine.notify(&notification, deadline) {
        Ok(true) => executor.record(StepKind::Notified, None, engine.name()),
        Ok(false) => {}
        Err(why) => {
            executor.record(StepKind::NotNotified, None, &why.to_string());
            executor.warnings.push(format!("warning: {why}"));
        }
    }
}

/// Adds a comment in the engine about an error that prevented a decision. Does nothing in the
/// foreground, because the caller already sees the error.
pub fn report_failure(invocation: &Invocation, config: &Config, problem: &Problem) {
    if invocation.options.mode == Mode::Background {
        let text = format!("{} {}: {problem}", Verdict::CouldNotRepair, invocation.event.object());
        let notification = Notification { event: &invocation.event, text: &text, healed: false };
        let _ = engine_of(config).notify(&notification, Instant::now() + ENGINE_TIMEOUT);
    }
}
