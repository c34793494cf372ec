//! Climbs the ladder. Each rung runs its action, waits for its settle time and then runs a check.
//! The next rung is tried only if the fault is still there.
//!
//! All side effects are left to an [`Executor`].

use std::time::Duration;

use ledger::{RepairOutcome, StepKind};
use plugin_kit::State;
use policy::{Act, BadName, JobId, Reason, RepairName, Rules, Rung};

use super::verify::CheckResult;

/// Maximum time for collecting evidence, not counting the time to connect to the host.
pub const EVIDENCE_TIME: Duration = Duration::from_secs(15);

/// How long the worker keeps querying the gate after a rung's timeout if the answer was lost.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long to pause between two checks if the policy requires several good results in a row.
pub const BETWEEN_CHECKS: Duration = Duration::from_secs(1);

/// The result of running a rung, before its check. Each variant holds a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    /// The repair ran and reported success.
    Ran(String),
    /// The repair ran and failed.
    Failed(String),
    /// The repair certainly did not run.
    NotRun(String),
    /// The gate refused the repair, for example because the host is in maintenance, busy or cooling
    /// down. The climb then ends, because a stronger rung would be the wrong reaction.
    Refused(String),
    /// The repair may have run, or may still be running.
    Unknown(String),
    /// The repair may have run, but no gate has confirmed that it did.
    NoAnswer(String),
}

/// Why the information for a decision could not be read.
#[derive(Debug, thiserror::Error)]
pub enum NotKnown {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The monitoring engine does not answer.
    #[error(transparent)]
    Engine(#[from] engine::Error),
}

/// Why a repair was called off before one of its rungs.
#[derive(Debug, thiserror::Error)]
pub enum CalledOff {
    /// The repair is no longer wanted.
    #[error("{0}")]
    NotWanted(Reason),
    /// It could not be determined whether the repair is still wanted.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
}

/// The side effects of climbing a ladder. Tests replace them with a mock.
pub trait Executor {
    /// Runs the gate's `diagnose` commands and records their output. This happens before anything
    /// is changed, because a restart destroys evidence. Returns the first lines of the output. If
    /// the host cannot be reached, the first rung must not try to connect again.
    fn diagnose(&mut self, name: &RepairName, at: Option<&str>, limit: Duration) -> Vec<String>;
    /// Checks that the repair is still wanted. Collecting evidence and running the earlier rungs
    /// took time, and other repairs may have run since the event.
    fn still_wanted(&mut self) -> Result<(), CalledOff>;
    /// Records that a rung is about to run. If this fails, the rung must not run, because nothing
    /// would show later that it may have run.
    fn begin(&mut self, number: u32, rung: &Rung, text: &str) -> Result<(), ledger::Error>;
    /// Requests a repair from the gate of the host `at`, or of the event's host if `at` is `None`.
    fn ssh(&mut self, name: &RepairName, at: Option<&str>, job: &JobId, limit: Duration)
    -> Attempt;
    /// Runs a program on this server.
    fn local(&mut self, argv: &[String], limit: Duration) -> Attempt;
    /// Waits for `span`: the settle time of a rung, or the pause between two checks.
    fn settle(&mut self, span: Duration);
    /// Runs the check that verifies the repair.
    fn verify(&mut self, rung: &Rung) -> CheckResult;
    /// Records and displays a step. `rung` is the number of its rung, counted from 1.
    fn record(&mut self, kind: StepKind, rung: Option<u32>, text: &str);
}

/// How a climb ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// Outcome to record in the ledger.
    pub outcome: RepairOutcome,
    /// Why the repair had this outcome, as a message.
    pub text: String,
    /// The rungs that ran or may have run, in order, for example `rung 2 of 3 (ssh restart)`. After
    /// a successful repair, the last one is the rung that healed the fault.
    pub tried: Vec<String>,
    /// First lines of the evidence that was collected before the first rung.
    pub evidence: Vec<String>,
}

/// Climbs the ladder until the check of a rung is OK, no rung is left, or it would be wrong to try
/// the next rung. Before each rung, checks that the repair is still wanted.
///
/// # Errors
/// Fails if the repair was called off before the first rung.
pub fn climb(rules: &Rules, job: &JobId, executor: &mut dyn Executor) -> Result<Ending, CalledOff> {
    let evidence = collect_evidence(rules, executor);
    let (mut ran, mut tried, mut last) = (false, Vec::new(), String::new());
    let mut before = None;
    for (number, rung) in (1..).zip(&rules.ladder) {
        let (of, act) = (rules.ladder.len(), name_of(&rung.act));
        match (executor.still_wanted(), before.replace(rung)) {
            (Ok(()), _) => {}
            (Err(why), None) => return Err(why),
            (Err(why), Some(before)) => {
                let (outcome, text) = stop(&why, number, before, ran, executor);
                return Ok(Ending { outcome, text, tried, evidence });
            }
        }
        if let Err(why) = executor.begin(number, rung, &format!("rung {number} of {of}: {act}")) {
            let text =
                format!("rung {number} of {of} cannot be recorded, so it was not run: {why}");
            return Ok(Ending { outcome: unhealed(ran), text, tried, evidence });
        }
        let attempt = take(rung, job, number, executor);
        let kind = attempt.kind();
        executor.record(kind, Some(number), attempt.text());
        ran |= matches!(attempt, Attempt::Ran(_) | Attempt::Failed(_));
        if kind.may_have_run() {
            tried.push(format!("rung {number} of {of} ({act})"));
        }
        match judge(&attempt, number, rung, ran, executor) {
            NextStep::End(outcome, text) => return Ok(Ending { outcome, text, tried, evidence }),
            NextStep::Rung(text) => last = text,
        }
    }
    Ok(Ending { outcome: unhealed(ran), text: last, tried, evidence })
}

/// Ends a climb because rung `number` is no longer wanted. If a rung has run and the engine has
/// seen a recovery, runs the check of `before`, the rung before `number`. The repair counts as
/// healed only if this check is OK.
fn stop(
    why: &CalledOff,
    number: u32,
    before: &Rung,
    ran: bool,
    executor: &mut dyn Executor,
) -> (RepairOutcome, String) {
    if ran && matches!(why, CalledOff::NotWanted(Reason::Recovered(_))) {
        let check = verified(number - 1, before, Duration::ZERO, executor);
        if check.state == State::Ok {
            return (RepairOutcome::Healed, check.text);
        }
    }
    (unhealed(ran), format!("rung {number} was not run: {why}"))
}

/// Whether the climb ends or continues after a rung. Both variants hold a message.
enum NextStep {
    End(RepairOutcome, String),
    Rung(String),
}

fn unhealed(ran: bool) -> RepairOutcome {
    if ran { RepairOutcome::NotHealed } else { RepairOutcome::CouldNotRun }
}

impl Attempt {
    fn kind(&self) -> StepKind {
        match self {
            Attempt::Ran(_) => StepKind::Ran,
            Attempt::Failed(_) => StepKind::Failed,
            Attempt::NotRun(_) => StepKind::NotRun,
            Attempt::Refused(_) => StepKind::Refused,
            Attempt::Unknown(_) | Attempt::NoAnswer(_) => StepKind::Unknown,
        }
    }

    fn text(&self) -> &str {
        match self {
            Attempt::Ran(text)
            | Attempt::Failed(text)
            | Attempt::NotRun(text)
            | Attempt::Refused(text)
            | Attempt::Unknown(text)
            | Attempt::NoAnswer(text) => text,
        }
    }
}

/// Runs a rung's check and decides what follows. Only the check decides whether the rung succeeded;
/// the rung's own exit status is ignored. If the check is inconclusive, the climb ends, because a
/// broken check must not lead to a stronger rung.
fn judge(
    attempt: &Attempt,
    number: u32,
    rung: &Rung,
    ran: bool,
    executor: &mut dyn Executor,
) -> NextStep {
    let text = attempt.text();
    let settle = match attempt {
        Attempt::NotRun(_) => return NextStep::Rung(text.to_owned()),
        Attempt::Refused(_) => return NextStep::End(unhealed(ran), text.to_owned()),
        Attempt::Failed(_) => Duration::ZERO,
        Attempt::Ran(_) | Attempt::Unknown(_) | Attempt::NoAnswer(_) => rung.settle,
    };
    let check = verified(number, rung, settle, executor);
    let both = format!("{text}; the check reports: {}", check.text);
    match (check.state, attempt) {
        // Do not attribute a recovery to a repair that no gate has confirmed.
        (_, Attempt::NoAnswer(_)) => {
            let checked = format!("{text}; the check is {}: {}", check.state, check.text);
            NextStep::End(RepairOutcome::Unknown, checked)
        }
        (State::Ok, _) => NextStep::End(RepairOutcome::Healed, check.text),
        (State::Unknown, _) => {
            let inconclusive = format!("{text}; the check is inconclusive: {}", check.text);
            NextStep::End(RepairOutcome::Unknown, inconclusive)
        }
        // The repair may still be running, so no further rung may start.
        (_, Attempt::Unknown(_)) => NextStep::End(RepairOutcome::Unknown, both),
        (_, Attempt::Failed(_)) => NextStep::Rung(both),
        _ => NextStep::Rung(check.text),
    }
}

/// Collects evidence at the gate of the first rung. A `local` rung has no gate and no evidence.
fn collect_evidence(rules: &Rules, executor: &mut dyn Executor) -> Vec<String> {
    let first = rules.ladder.first();
    let at_gate = first.and_then(|rung| Some((rung.act.at_gate()?, rung.timeout)));
    let collected = at_gate.map(|((name, at), limit)| executor.diagnose(name, at, limit));
    collected.unwrap_or_default()
}

/// Describes what a rung does, for messages and the ledger, for example `ssh restart at web2`.
fn name_of(act: &Act) -> String {
    match act {
        Act::Ssh { repair, at: None } => format!("ssh {repair}"),
        Act::Ssh { repair, at: Some(at) } => format!("ssh {repair} at {at}"),
        Act::Local(argv) => format!("local {}", argv.join(" ")),
    }
}

/// Returns the job ID for one rung. A gate runs each job ID only once, so every rung needs its own.
pub fn rung_job(job: &str, number: u32) -> Result<JobId, BadName> {
    format!("{job}-{number}").parse()
}

fn take(rung: &Rung, job: &JobId, number: u32, executor: &mut dyn Executor) -> Attempt {
    match &rung.act {
        Act::Ssh { repair, at } => match rung_job(job.as_str(), number) {
            Ok(rung_job) => executor.ssh(repair, at.as_deref(), &rung_job, rung.timeout),
            Err(bad) => Attempt::NotRun(bad.to_string()),
        },
        Act::Local(argv) => executor.local(argv, rung.timeout),
    }
}

/// Runs a rung's check until it was OK `good_results` times in a row. Stops at the first result
/// that is not OK.
fn verified(
    number: u32,
    rung: &Rung,
    settle: Duration,
    executor: &mut dyn Executor,
) -> CheckResult {
    executor.settle(settle);
    let mut check = check_once(number, rung, executor);
    for _ in 1..rung.good_results {
        if check.state != State::Ok {
            break;
        }
        executor.settle(BETWEEN_CHECKS);
        check = check_once(number, rung, executor);
    }
    check
}

fn check_once(number: u32, rung: &Rung, executor: &mut dyn Executor) -> CheckResult {
    let check = executor.verify(rung);
    let text = format!("{}: {}", check.state, check.text);
    executor.record(StepKind::Verified, Some(number), &text);
    check
}

#[cfg(test)]
mod tests;
