//! Closes repairs whose worker died, for example together with Nagios, during a reboot, or because
//! of the OOM killer.
//!
//! A repair without a worker is not repeated automatically. Its host and its fleet slots stay
//! reserved until the repair has certainly ended. For a `local` rung, the supervisor's lock and the
//! rung's processes show whether it has ended. For an `ssh` rung, the worker queries the gate. The
//! outcome is then recorded and counts in later decisions.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, Record, RepairOutcome, Running, Step, StepKind};
use policy::JobId;
use policy_file::Config;
use transport::{Answer, GateReason, JobState, Request};

use super::executor::{self, LONGEST_AT_GATE, POLL};
use super::ladder::rung_job;
use crate::cli::Invocation;
use crate::queue::SLOTS;

/// How long to wait for the answers of all gates. This time is short, because a new repair is
/// waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum number of gates that are queried at the same time. If there are more, the next call of
/// [`close`] queries the others.
const MOST_QUERIES: usize = SLOTS;

/// A repair whose worker died without recording the end of the repair.
struct AbandonedRepair<'a> {
    job: JobId,
    record: Record,
    /// Whether this server reserved the repair.
    is_ours: bool,
    steps: Vec<Step>,
    /// An event on the repair's host.
    invocation: &'a Invocation,
}

/// Closes the repairs on the hosts of these events whose worker has died, and records when the
/// repairs ended. If a repair may still be running, records nothing, so the host stays reserved.
/// Queries all gates at the same time. Calls `before_query` first, because the queries can take ten
/// seconds.
pub fn close(
    ledger: &mut dyn Ledger,
    invocations: &[Invocation],
    config: &Config,
    before_query: &mut dyn FnMut(),
) -> Result<(), ledger::Error> {
    let mut abandoned = Vec::new();
    for invocation in invocations {
        ledger.stop_overdue(&invocation.event.host)?;
        for Running { record, is_ours, .. } in ledger.abandoned(&invocation.event.host)? {
            let Ok(job) = record.job.parse() else { continue };
            let steps = ledger.steps(&job)?;
            abandoned.push(AbandonedRepair { job, record, is_ours, steps, invocation });
        }
    }
    abandoned.truncate(MOST_QUERIES);
    if abandoned.is_empty() {
        return Ok(());
    }
    before_query();
    let deadline = Instant::now() + PATIENCE;
    let remains: Vec<Option<Remains>> = thread::scope(|scope| {
        let query = |repair| move || remains_of(repair, config, deadline);
        let start = |repair| thread::Builder::new().spawn_scoped(scope, query(repair)).ok();
        let queries: Vec<_> = abandoned.iter().map(start).collect();
        queries.into_iter().map(|query| query?.join().ok()).collect()
    });
    for (repair, remains) in abandoned.iter().zip(remains) {
        // If no thread could be started for this gate, the next call of `close` queries the gate.
        if let Some(remains) = remains {
            record(ledger, repair, remains)?;
        }
    }
    Ok(())
}

/// Records the end of a repair, unless it may still be running.
fn record(
    ledger: &mut dyn Ledger,
    repair: &AbandonedRepair<'_>,
    remains: Remains,
) -> Result<(), ledger::Error> {
    let AbandonedRepair { job, record, steps, .. } = repair;
    let now = SystemTime::now();
    match remains {
        Remains::Running if now < longest_at_gate(steps, now) => {
            ledger.renew(job, longest_at_gate(steps, now))
        }
        Remains::NotKnown(_) if record.rung_until.is_some_and(|until| now < until) => Ok(()),
        Remains::Running => end(ledger, repair, RepairOutcome::Unknown, ENDLESS),
        Remains::NotKnown(text) | Remains::Ended(text) => {
            end(ledger, repair, RepairOutcome::Unknown, &text)
        }
        Remains::NeverBegan(text) => {
            // The last rung never began, but an earlier rung may have run.
            let has_run = steps.iter().any(|step| step.kind.may_have_run());
            let outcome = if has_run { RepairOutcome::Unknown } else { RepairOutcome::CouldNotRun };
            end(ledger, repair, outcome, &text)
        }
    }
}

const ENDLESS: &str = "the gate reports that the repair is still running, although it has run for \
                       longer than a gate allows";

/// Records the end of a repair. If the last rung's deadline has passed, records the deadline as the
/// time of the end, because the repair may have ended long ago. The cooldown then starts at the
/// deadline.
fn end(
    ledger: &mut dyn Ledger,
    repair: &AbandonedRepair<'_>,
    outcome: RepairOutcome,
    text: &str,
) -> Result<(), ledger::Error> {
    let AbandonedRepair { job, record, is_ours, .. } = repair;
    let what = match is_ours {
        true => "the worker of this repair died",
        false => "the worker of this repair has not recorded its end in time",
    };
    let text = format!("{what}; {text} (job {job})");
    let now = SystemTime::now();
    let ended = record.rung_until.map_or(now, |until| until.min(now));
    match ledger.finish(job, ended, outcome, &text) {
        // Another worker has already recorded the end.
        Err(ledger::Error::NoSuchJob { .. }) => Ok(()),
        ended => ended,
    }
}

/// What is known about the last rung of a repair whose worker died.
enum Remains {
    /// The rung is still running.
    Running,
    /// The gate cannot be queried or gave no usable answer, for this reason.
    NotKnown(String),
    /// The rung has ended.
    Ended(String),
    /// The rung never began, for this reason.
    NeverBegan(String),
}

fn remains_of(repair: &AbandonedRepair<'_>, config: &Config, deadline: Instant) -> Remains {
    let AbandonedRepair { record, is_ours, steps, invocation, .. } = repair;
    if record.rungs == 0 {
        return Remains::NeverBegan("no rung had started".into());
    }
    if let Some(ended) = ended_on_record(record, steps) {
        return ended;
    }
    let Some(host) = &record.gate else {
        // The ledger reports the job of a local rung as abandoned only when the supervisor and all
        // processes of the rung have ended. If the rung ran on another server, the ledger reports
        // the job when its lease is over.
        return Remains::Ended(match is_ours {
            true => "the rung ran on this server, and none of its processes is left".into(),
            false => "the rung ran on another server, and its lease is over; its processes cannot \
                      be seen from here"
                .into(),
        });
    };
    let Ok(job) = rung_job(&record.job, record.rungs) else {
        return Remains::NeverBegan("the rung has no valid job ID".into());
    };
    let mut gate = match transport::connect(&invocation.route(config, Some(host)), deadline) {
        Ok(gate) => gate,
        Err(why) => return Remains::NotKnown(format!("the gate cannot be queried: {why}")),
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
            Remains::Ended(format!("the gate reports: {}", executor::described(&report)))
        }
        answer if has_no_such_job(&answer) => {
            Remains::NeverBegan("the gate reports that the job never started".into())
        }
        Ok(Answer::Refused(refusal)) => {
            Remains::NotKnown(format!("the gate refuses the query: {}", refusal.text))
        }
        Ok(_) => Remains::NotKnown("the gate's answer belongs to a different request".into()),
        Err(why) => Remains::NotKnown(format!("the gate does not answer: {why}")),
    }
}

/// Returns the recorded result of the last rung, if the worker recorded one before it died.
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

/// Returns the time by which the gate must have ended the last rung.
fn longest_at_gate(steps: &[Step], now: SystemTime) -> SystemTime {
    let age = begun_for(steps, now).unwrap_or_default();
    now + LONGEST_AT_GATE.saturating_sub(age)
}

/// Returns how long ago the last rung began, or `None` if no rung has begun.
fn begun_for(steps: &[Step], now: SystemTime) -> Option<Duration> {
    let begun = steps.iter().rev().find(|step| step.kind == StepKind::Begun)?;
    Some(now.duration_since(begun.at).unwrap_or_default())
}

fn has_no_such_job(answer: &Result<Answer, transport::Error>) -> bool {
    matches!(answer, Ok(Answer::Refused(refusal)) if refusal.reason == GateReason::NoSuchJob)
}

/// Whether the last rung began so recently that its gate may not have started the job yet.
fn is_recent(steps: &[Step]) -> bool {
    begun_for(steps, SystemTime::now()).is_some_and(|age| age < PATIENCE)
}
