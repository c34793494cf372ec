//! Repairs whose worker died: killed with Nagios, for lack of memory, or by a reboot. None of them
//! is repeated by itself. Each keeps its host and its slots until it is known to have ended: a
//! rung of this server has a supervisor, whose lock and processes the ledger sees, and of any other
//! rung the gate is queried. The record says what is known, and the next decision counts it.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, Record, RepairOutcome, Step, StepKind};
use policy::JobId;
use policy_file::Config;
use transport::{Answer, GateReason, JobState, Request};

use super::executor::{self, LONGEST_AT_GATE, POLL};
use super::ladder::rung_job;
use crate::cli::Invocation;

/// How long a gate may take to answer: another repair waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends the record of every repair of the event's host that has lost its worker, once it is known
/// that nothing of it runs any more. Until then it keeps its host.
pub fn close(
    ledger: &mut dyn Ledger,
    invocation: &Invocation,
    config: &Config,
) -> Result<(), ledger::Error> {
    ledger.stop_overdue(&invocation.event.host)?;
    for record in ledger.abandoned(&invocation.event.host)? {
        let Ok(job) = record.job.parse() else { continue };
        let steps = ledger.steps(&job)?;
        let now = SystemTime::now();
        match remains_of(&record, &steps, invocation, config) {
            Remains::Running if now < longest_at_gate(&steps, now) => {
                ledger.renew(&job, longest_at_gate(&steps, now))?
            }
            Remains::NotKnown(_) if record.rung_until.is_some_and(|until| now < until) => {}
            Remains::Running => end(ledger, &record, &job, RepairOutcome::Unknown, ENDLESS)?,
            Remains::NotKnown(text) | Remains::Ended(text) => {
                end(ledger, &record, &job, RepairOutcome::Unknown, &text)?
            }
            Remains::NeverBegan(text) => {
                // The last rung never began: the rungs before it did.
                let has_run = steps.iter().any(|step| step.kind.may_have_run());
                let outcome =
                    if has_run { RepairOutcome::Unknown } else { RepairOutcome::CouldNotRun };
                end(ledger, &record, &job, outcome, &text)?;
            }
        }
    }
    Ok(())
}

const ENDLESS: &str = "the gate reports that it runs, longer than a gate lets a repair run";

/// The repair may have ended long before anybody looked: then its cooldown does not begin now.
fn end(
    ledger: &mut dyn Ledger,
    record: &Record,
    job: &JobId,
    outcome: RepairOutcome,
    text: &str,
) -> Result<(), ledger::Error> {
    let text = format!("its worker died; {text} (job {job})");
    let now = SystemTime::now();
    let ended = record.rung_until.map_or(now, |until| until.min(now));
    match ledger.finish(job, ended, outcome, &text) {
        // Another worker was faster.
        Err(ledger::Error::NoSuchJob { .. }) => Ok(()),
        ended => ended,
    }
}

/// What is left of the rung that a dead worker had begun.
enum Remains {
    /// It runs.
    Running,
    /// Whether it runs cannot be found out now.
    NotKnown(String),
    /// It has ended, or will not be begun.
    Ended(String),
    /// It was never begun.
    NeverBegan(String),
}

fn remains_of(
    record: &Record,
    steps: &[Step],
    invocation: &Invocation,
    config: &Config,
) -> Remains {
    if record.rungs == 0 {
        return Remains::NeverBegan("nothing had been asked of a gate yet".into());
    }
    if let Some(ended) = ended_on_record(record, steps) {
        return ended;
    }
    let Some(host) = &record.gate else {
        // Its supervisor and its processes would have kept the job alive.
        return Remains::Ended("its rung ran on this server, and nothing of it is left".into());
    };
    let Ok(job) = rung_job(&record.job, record.rungs) else {
        return Remains::NeverBegan("its rung has no job".into());
    };
    let deadline = Instant::now() + PATIENCE;
    let mut gate = match transport::connect(&invocation.route(config, Some(host)), deadline) {
        Ok(gate) => gate,
        Err(why) => return Remains::NotKnown(format!("its gate cannot be asked: {why}")),
    };
    let status = Request::Status { job };
    let mut answer = gate.request(&status, deadline);
    while has_no_such_job(&answer) && is_recent(steps) && Instant::now() + POLL < deadline {
        thread::sleep(POLL);
        answer = gate.request(&status, deadline);
    }
    match answer {
        Ok(Answer::Job(report)) if report.state == JobState::Running => Remains::Running,
        Ok(Answer::Job(report)) => {
            Remains::Ended(format!("the gate says: {}", executor::described(&report)))
        }
        answer if has_no_such_job(&answer) => {
            Remains::NeverBegan("the gate says it never began".into())
        }
        Ok(Answer::Refused(refusal)) => {
            Remains::NotKnown(format!("the gate refuses the query: {}", refusal.text))
        }
        Ok(_) => Remains::NotKnown("the gate answered another question".into()),
        Err(why) => Remains::NotKnown(format!("its gate does not answer: {why}")),
    }
}

/// What the record says of the last rung, if the worker lived to see its end.
fn ended_on_record(record: &Record, steps: &[Step]) -> Option<Remains> {
    let number = record.rungs;
    let mut of_rung = steps.iter().rev().filter(|step| step.rung == Some(number));
    of_rung.find_map(|step| match step.kind {
        StepKind::Ran | StepKind::Failed => {
            Some(Remains::Ended(format!("rung {number} had ended: {}", step.text)))
        }
        StepKind::NotRun | StepKind::Refused => {
            Some(Remains::NeverBegan(format!("rung {number} was not run: {}", step.text)))
        }
        _ => None,
    })
}

/// When no gate runs any more what was begun last.
fn longest_at_gate(steps: &[Step], now: SystemTime) -> SystemTime {
    let age = begun_for(steps, now).unwrap_or_default();
    now + LONGEST_AT_GATE.saturating_sub(age)
}

/// How long ago the last rung was begun.
fn begun_for(steps: &[Step], now: SystemTime) -> Option<Duration> {
    let begun = steps.iter().rev().find(|step| step.kind == StepKind::Begun)?;
    Some(now.duration_since(begun.at).unwrap_or_default())
}

fn has_no_such_job(answer: &Result<Answer, transport::Error>) -> bool {
    matches!(answer, Ok(Answer::Refused(refusal)) if refusal.reason == GateReason::NoSuchJob)
}

/// Whether the last rung was begun just before the worker died: a gate may be slow to begin.
fn is_recent(steps: &[Step]) -> bool {
    begun_for(steps, SystemTime::now()).is_some_and(|age| age < PATIENCE)
}
