//! Notifies Nagios of how a repair ended.

use std::time::SystemTime;

use ledger::{RepairOutcome, StepKind};
use plugin_kit::Problem;
use policy_file::Config;

use super::executor::LiveExecutor;
use super::ladder::{Ending, Executor};
use super::nagios::{self, News};
use super::repair_job::RepairJob;
use crate::cli::{Invocation, Mode};

/// Notifies Nagios of an ended repair: a comment, and a forced check or the watching service.
pub fn ended(job: &RepairJob<'_>, ending: &Ending, line: &str, executor: &mut LiveExecutor<'_>) {
    let Some(file) = &job.config.command_file else { return };
    let healed = ending.outcome == RepairOutcome::Healed;
    let text = match ending.evidence.as_slice() {
        [] => line.to_owned(),
        _ if healed => line.to_owned(),
        evidence => format!("{line}; before: {}", evidence.join(" / ")),
    };
    let watch = job.config.check_repairs.as_ref();
    let news = News { event: &job.invocation.event, text: &text, healed, watch };
    match nagios::tell(file, news, SystemTime::now()) {
        Ok(()) => executor.record(StepKind::Notified, None, "Nagios"),
        Err(why) => {
            executor.record(StepKind::NotNotified, None, &why.to_string());
            executor.warnings.push(format!("warning: {why}"));
        }
    }
}

/// Nothing could be decided: in the background a comment in Nagios is the only sign that people see.
pub fn failure(invocation: &Invocation, config: &Config, problem: &Problem) {
    let Some(file) = &config.command_file else { return };
    if invocation.options.mode == Mode::Background {
        let text = format!("COULD NOT REPAIR {}: {problem}", invocation.event.object());
        let watch = config.check_repairs.as_ref();
        let news = News { event: &invocation.event, text: &text, healed: false, watch };
        let _ = nagios::tell(file, news, SystemTime::now());
    }
}
