//! The ladder: each rung acts, settles, is verified by its real check, and only then is the next
//! one tried.
//!
//! Pure but for the [`Executor`] it is given.

use std::time::Duration;

use ledger::{RepairOutcome, StepKind};
use plugin_kit::State;
use policy::{Act, BadName, JobId, Reason, RepairName, Rules, Rung};

use super::verify::CheckResult;

/// How long collecting evidence may hold up a repair, once the host is reached.
pub const EVIDENCE_TIME: Duration = Duration::from_secs(15);

/// How long, after a rung's own time, a lost answer is asked for.
pub const GRACE: Duration = Duration::from_secs(10);

/// The pause between two results when several good ones in a row are wanted.
pub const BETWEEN_CHECKS: Duration = Duration::from_secs(1);

/// What acting came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    /// It ran and says it succeeded.
    Ran(String),
    /// It ran and failed.
    Failed(String),
    /// It is certain that nothing was run.
    NotRun(String),
    /// The gate refuses: in maintenance, busy, cooling down, not to be trusted. A stronger rung
    /// would be the wrong answer to that.
    Refused(String),
    /// It may have run.
    Unknown(String),
    /// It may have run, and no gate has said a word about it.
    NoAnswer(String),
}

/// Why a decision has nothing to go by.
#[derive(Debug, thiserror::Error)]
pub enum NotKnown {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The engine does not answer.
    #[error(transparent)]
    Engine(#[from] engine::Error),
}

/// Why the first rung is not even taken.
#[derive(Debug, thiserror::Error)]
pub enum CalledOff {
    /// The repair is not wanted any more.
    #[error("{0}")]
    NotWanted(Reason),
    /// Whether it is still wanted could not be found out.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
}

/// What the ladder needs of the world.
pub trait Executor {
    /// Records what the gate finds before anything is changed, because a restart destroys evidence,
    /// and returns its first lines. A host that cannot be reached for that is not tried again for
    /// the rung itself.
    fn diagnose(&mut self, name: &RepairName, at: Option<&str>, limit: Duration) -> Vec<String>;
    /// Checks once more that the repair is still wanted: since the event others may have had their
    /// turn first, and collecting evidence and earlier rungs took their time.
    fn still_wanted(&mut self) -> Result<(), CalledOff>;
    /// Records that a rung is about to be taken. After an error it is not taken: later nobody would
    /// know that it may have run.
    fn begin(&mut self, number: u32, rung: &Rung, text: &str) -> Result<(), ledger::Error>;
    /// Requests a repair from a gate: the host's own, or that of the host `at`.
    fn ssh(&mut self, name: &RepairName, at: Option<&str>, job: &JobId, limit: Duration)
    -> Attempt;
    /// Runs a program on this server.
    fn local(&mut self, argv: &[String], limit: Duration) -> Attempt;
    /// Waits.
    fn settle(&mut self, span: Duration);
    /// Runs the check that proves the repair.
    fn verify(&mut self, rung: &Rung) -> CheckResult;
    /// Records and shows a step, of the rung with this number if it belongs to one.
    fn record(&mut self, kind: StepKind, rung: Option<u32>, text: &str);
}

/// How the climb ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// The verdict.
    pub outcome: RepairOutcome,
    /// Reason, for people.
    pub text: String,
    /// The rungs that ran, or may have, in order: `rung 2 of 3 (ssh restart)`. The last one is what
    /// healed, if one did.
    pub tried: Vec<String>,
    /// The first lines of what was found before anything was changed.
    pub evidence: Vec<String>,
}

/// Climbs until a rung is verified, or none is left, or going on would be wrong. Before each rung
/// it looks once more whether the repair is still wanted.
///
/// # Errors
/// When the first rung is not even taken.
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
                format!("rung {number} of {of} cannot be put on record, so it is not taken: {why}");
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

/// The end of a climb whose rung `number` is not wanted any more, after the rung `before`. If the
/// engine sees a recovery, the check says whether the repair is the reason.
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
    (unhealed(ran), format!("rung {number} was not taken: {why}"))
}

/// What follows from one rung.
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

/// The check decides, never the exit status, in both directions. An inconclusive check ends the
/// climb: a stronger rung must not be reached because a check is broken.
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
    let both = format!("{text}; its check says: {}", check.text);
    match (check.state, attempt) {
        // What no gate says it has run has not healed anything.
        (_, Attempt::NoAnswer(_)) => {
            let checked = format!("{text}; its check is {}: {}", check.state, check.text);
            NextStep::End(RepairOutcome::Unknown, checked)
        }
        (State::Ok, _) => NextStep::End(RepairOutcome::Healed, check.text),
        (State::Unknown, _) => {
            let inconclusive = format!("{text}; its check cannot tell: {}", check.text);
            NextStep::End(RepairOutcome::Unknown, inconclusive)
        }
        // Nobody may repair again on top of a repair that perhaps still runs.
        (_, Attempt::Unknown(_)) => NextStep::End(RepairOutcome::Unknown, both),
        (_, Attempt::Failed(_)) => NextStep::Rung(both),
        _ => NextStep::Rung(check.text),
    }
}

/// Evidence is collected at the gate of the first rung.
fn collect_evidence(rules: &Rules, executor: &mut dyn Executor) -> Vec<String> {
    let first = rules.ladder.first();
    let at_gate = first.and_then(|rung| Some((rung.act.at_gate()?, rung.timeout)));
    let collected = at_gate.map(|((name, at), limit)| executor.diagnose(name, at, limit));
    collected.unwrap_or_default()
}

/// What a rung does, for the record.
fn name_of(act: &Act) -> String {
    match act {
        Act::Ssh { repair, at: None } => format!("ssh {repair}"),
        Act::Ssh { repair, at: Some(at) } => format!("ssh {repair} at {at}"),
        Act::Local(argv) => format!("local {}", argv.join(" ")),
    }
}

/// The job of one rung: to a gate every rung is a job of its own, and it runs a job only once.
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

/// Runs the rung's check, as often in a row as the policy wants it to be OK; the first result that
/// is not ends it.
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
