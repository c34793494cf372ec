//! Repairs whose worker died: killed with Nagios, for lack of memory, or by a reboot. None of them
//! is repeated by itself. Their gates are queried, so that the record says what is known, and the
//! next decision counts it.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, Record, RepairOutcome, Step, StepKind};
use policy_file::Config;
use transport::{Answer, GateReason, JobState, Request};

use super::executor::{self, POLL};
use super::ladder::rung_job;
use crate::cli::Invocation;

/// How long a gate may take to answer: another repair waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends the record of every repair of the event's host that has lost its worker, unless the gate
/// says that it still runs.
pub fn close(
    ledger: &mut dyn Ledger,
    invocation: &Invocation,
    config: &Config,
) -> Result<(), ledger::Error> {
    for record in ledger.abandoned(&invocation.event.host)? {
        let Ok(job) = record.job.parse() else { continue };
        let steps = ledger.steps(&job)?;
        let Some((outcome, text)) = state_of(&record, &steps, invocation, config) else { continue };
        // The last rung may never have begun: the rungs before it did.
        let has_run = steps.iter().any(|step| step.kind.may_have_run());
        let outcome = match outcome {
            RepairOutcome::CouldNotRun if has_run => RepairOutcome::Unknown,
            outcome => outcome,
        };
        let text = format!("its worker died; {text} (job {job})");
        // Another worker may have been faster; then there is nothing left to end.
        let _ = ledger.finish(&job, SystemTime::now(), outcome, &text);
    }
    Ok(())
}

/// `None` while it still runs.
fn state_of(
    record: &Record,
    steps: &[Step],
    invocation: &Invocation,
    config: &Config,
) -> Option<(RepairOutcome, String)> {
    let unknown = |text: String| Some((RepairOutcome::Unknown, text));
    if record.rungs == 0 {
        return Some((RepairOutcome::CouldNotRun, "nothing had been asked of a gate yet".into()));
    }
    let Some(host) = &record.gate else {
        return unknown("what it had begun cannot be asked for".into());
    };
    let job = rung_job(&record.job, record.rungs).ok()?;
    let deadline = Instant::now() + PATIENCE;
    let mut gate = match transport::connect(&invocation.route(config, Some(host)), deadline) {
        Ok(gate) => gate,
        Err(why) => return unknown(format!("its gate cannot be asked: {why}")),
    };
    let status = Request::Status { job };
    let mut answer = gate.request(&status, deadline);
    while has_no_such_job(&answer) && is_recent(steps) && Instant::now() + POLL < deadline {
        thread::sleep(POLL);
        answer = gate.request(&status, deadline);
    }
    match answer {
        Ok(Answer::Job(report)) if report.state == JobState::Running => None,
        Ok(Answer::Job(report)) => {
            unknown(format!("the gate says: {}", executor::described(&report)))
        }
        answer if has_no_such_job(&answer) => {
            Some((RepairOutcome::CouldNotRun, "the gate says it never began".into()))
        }
        Ok(Answer::Refused(refusal)) => {
            unknown(format!("the gate refuses to say: {}", refusal.text))
        }
        Ok(_) => unknown("the gate answered another question".into()),
        Err(why) => unknown(format!("its gate does not answer: {why}")),
    }
}

fn has_no_such_job(answer: &Result<Answer, transport::Error>) -> bool {
    matches!(answer, Ok(Answer::Refused(refusal)) if refusal.reason == GateReason::NoSuchJob)
}

/// Whether the last rung was begun just before the worker died: a gate may be slow to begin.
fn is_recent(steps: &[Step]) -> bool {
    let begun = steps.iter().rev().find(|step| step.kind == StepKind::Begun);
    begun.is_some_and(|begun| {
        SystemTime::now().duration_since(begun.at).unwrap_or_default() < PATIENCE
    })
}
