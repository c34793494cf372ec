//! The ladder: each rung acts, settles, is verified by its real check, and only then is the next
//! one tried.
//!
//! Pure but for the [`Executor`] it is given.

use std::time::Duration;

use ledger::{RepairOutcome, StepKind};
use plugin_kit::{Problem, State};
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
    /// The gate refuses: in maintenance, busy, cooling down, not to be trusted. A stronger rung would
    /// be the wrong answer to that.
    Refused(String),
    /// It may have run.
    Unknown(String),
}

/// Why the first rung is not even taken.
#[derive(Debug, thiserror::Error)]
pub enum CalledOff {
    /// The repair is not wanted any more.
    #[error("{0}")]
    NotWanted(Reason),
    /// Whether it is still wanted could not be found out.
    #[error("{0}")]
    NotKnown(Problem),
}

/// What the ladder needs of the world.
pub trait Executor {
    /// Records what the gate finds before anything is changed, because a restart destroys evidence,
    /// and returns its first lines. A host that cannot be reached for that is not tried again for
    /// the rung itself.
    fn diagnose(&mut self, name: &RepairName, at: Option<&str>, limit: Duration) -> Vec<String>;
    /// Checks once more that the repair is still wanted: since the event others may have had their
    /// turn first, and collecting evidence took its time.
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

/// Climbs until a rung is verified, or none is left, or going on would be wrong.
///
/// # Errors
/// When the first rung is not even taken.
pub fn climb(rules: &Rules, job: &JobId, executor: &mut dyn Executor) -> Result<Ending, CalledOff> {
    let evidence = collect_evidence(rules, executor);
    executor.still_wanted()?;
    let (mut ran, mut tried, mut last) = (false, Vec::new(), String::new());
    for (number, rung) in (1..).zip(&rules.ladder) {
        let (of, act) = (rules.ladder.len(), name_of(&rung.act));
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
            Attempt::Unknown(_) => StepKind::Unknown,
        }
    }

    fn text(&self) -> &str {
        match self {
            Attempt::Ran(text)
            | Attempt::Failed(text)
            | Attempt::NotRun(text)
            | Attempt::Refused(text)
            | Attempt::Unknown(text) => text,
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
        Attempt::Ran(_) | Attempt::Unknown(_) => rung.settle,
    };
    let check = verified(number, rung, settle, executor);
    let both = format!("{text}; its check says: {}", check.text);
    match (check.state, attempt) {
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
    match rules.ladder.first() {
        Some(Rung { act: Act::Ssh { repair, at }, timeout, .. }) => {
            executor.diagnose(repair, at.as_deref(), *timeout)
        }
        Some(Rung { act: Act::Local(_), .. }) | None => Vec::new(),
    }
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
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A world that answers as it was told, and remembers what was asked of it.
    #[derive(Default)]
    struct Scripted {
        attempts: VecDeque<Attempt>,
        checks: VecDeque<State>,
        asked: Vec<String>,
        called_off: Option<Reason>,
        /// So many rungs can be put on record.
        room: Option<usize>,
    }

    impl Executor for Scripted {
        fn diagnose(&mut self, _: &RepairName, _: Option<&str>, _: Duration) -> Vec<String> {
            vec!["evidence".into()]
        }

        fn still_wanted(&mut self) -> Result<(), CalledOff> {
            self.called_off.take().map_or(Ok(()), |why| Err(CalledOff::NotWanted(why)))
        }

        fn begin(&mut self, _: u32, _: &Rung, _: &str) -> Result<(), ledger::Error> {
            match &mut self.room {
                Some(0) => Err(ledger::Error::Missing("/var/lib/ledger".into())),
                Some(room) => {
                    *room -= 1;
                    Ok(())
                }
                None => Ok(()),
            }
        }

        fn ssh(&mut self, name: &RepairName, _: Option<&str>, job: &JobId, _: Duration) -> Attempt {
            self.asked.push(format!("ssh {name} {job}"));
            self.attempts.pop_front().unwrap()
        }

        fn local(&mut self, argv: &[String], _: Duration) -> Attempt {
            self.asked.push(format!("local {}", argv.join(" ")));
            self.attempts.pop_front().unwrap()
        }

        fn settle(&mut self, span: Duration) {
            self.asked.push(format!("settle {}", span.as_secs()));
        }

        fn verify(&mut self, rung: &Rung) -> CheckResult {
            self.asked.push(format!("verify {}", rung.verify.join(" ")));
            CheckResult { state: self.checks.pop_front().unwrap(), text: "the check's line".into() }
        }

        fn record(&mut self, _: StepKind, _: Option<u32>, _: &str) {}
    }

    fn rules() -> Rules {
        let rung = |act| Rung {
            act,
            timeout: Duration::from_secs(9),
            settle: Duration::from_secs(2),
            verify: vec!["check".into()],
            good_results: 1,
        };
        Rules::with_ladder(vec![
            rung(Act::Ssh { repair: "soft".parse().unwrap(), at: None }),
            rung(Act::Local(vec!["/bin/hard".into()])),
        ])
    }

    fn run(
        attempts: impl Into<VecDeque<Attempt>>,
        checks: impl Into<VecDeque<State>>,
    ) -> (Ending, Vec<String>) {
        run_with(&rules(), attempts, checks)
    }

    fn run_with(
        rules: &Rules,
        attempts: impl Into<VecDeque<Attempt>>,
        checks: impl Into<VecDeque<State>>,
    ) -> (Ending, Vec<String>) {
        let mut executor =
            Scripted { attempts: attempts.into(), checks: checks.into(), ..Scripted::default() };
        let ending = climb(rules, &"job-00001".parse().unwrap(), &mut executor).unwrap();
        assert!(
            executor.attempts.is_empty() && executor.checks.is_empty(),
            "not asked for all that was expected: {:?}",
            executor.asked
        );
        (ending, executor.asked)
    }

    fn text(text: &str) -> String {
        text.into()
    }

    #[test]
    fn the_first_rung_that_verifies_ends_the_climb() {
        let (ending, asked) = run([Attempt::Ran(text("ok"))], [State::Ok]);
        assert_eq!(
            (ending.outcome, ending.text.as_str()),
            (RepairOutcome::Healed, "the check's line")
        );
        assert_eq!(asked, ["ssh soft job-00001-1", "settle 2", "verify check"]);
    }

    #[test]
    fn what_is_not_called_for_any_more_is_not_begun() {
        let mut executor = Scripted { called_off: Some(Reason::Flapping), ..Scripted::default() };
        let called_off = climb(&rules(), &"job-00001".parse().unwrap(), &mut executor);
        assert!(matches!(called_off, Err(CalledOff::NotWanted(Reason::Flapping))));
        assert!(executor.asked.is_empty());
    }

    #[test]
    fn what_cannot_be_put_on_record_is_not_begun() {
        let climbed = |room, attempts: &[Attempt]| {
            let checks = attempts.iter().map(|_| State::Critical).collect();
            let attempts = attempts.to_vec().into();
            let mut executor =
                Scripted { room: Some(room), attempts, checks, ..Scripted::default() };
            let ending = climb(&rules(), &"job-00001".parse().unwrap(), &mut executor).unwrap();
            assert!(ending.text.contains("/var/lib/ledger"), "{}", ending.text);
            (ending.outcome, executor.asked.len())
        };
        assert_eq!(climbed(0, &[]), (RepairOutcome::CouldNotRun, 0));
        assert_eq!(climbed(1, &[Attempt::Ran(text("ok"))]), (RepairOutcome::NotHealed, 3));
    }

    #[test]
    fn a_rung_that_succeeds_but_does_not_verify_hands_on() {
        let (ending, asked) =
            run([Attempt::Ran(text("ok")), Attempt::Ran(text("ok"))], [State::Critical, State::Ok]);
        assert_eq!(ending.outcome, RepairOutcome::Healed);
        assert_eq!(ending.tried, ["rung 1 of 2 (ssh soft)", "rung 2 of 2 (local /bin/hard)"]);
        assert_eq!(asked[3], "local /bin/hard");
    }

    #[test]
    fn several_good_results_in_a_row_can_be_asked_for() {
        let mut rules = rules();
        rules.ladder.iter_mut().for_each(|rung| rung.good_results = 2);
        let ran = || Attempt::Ran(text("ok"));
        let (ending, asked) = run_with(&rules, [ran()], [State::Ok, State::Ok]);
        assert_eq!(ending.outcome, RepairOutcome::Healed);
        assert_eq!(
            asked,
            ["ssh soft job-00001-1", "settle 2", "verify check", "settle 1", "verify check"]
        );
        let (ending, _) =
            run_with(&rules, [ran(), ran()], [State::Ok, State::Critical, State::Critical]);
        assert_eq!(
            (ending.outcome, ending.evidence),
            (RepairOutcome::NotHealed, vec!["evidence".to_owned()])
        );
    }

    #[test]
    fn a_warning_is_not_healed() {
        let (ending, _) = run(
            [Attempt::Ran(text("ok")), Attempt::Ran(text("ok"))],
            [State::Warning, State::Critical],
        );
        assert_eq!(ending.outcome, RepairOutcome::NotHealed);
    }

    #[test]
    fn a_check_that_cannot_tell_does_not_lead_to_a_stronger_rung() {
        let (ending, asked) = run([Attempt::Ran(text("ok"))], [State::Unknown]);
        assert_eq!(ending.outcome, RepairOutcome::Unknown);
        assert!(!asked.iter().any(|step| step.starts_with("local")));
    }

    #[test]
    fn a_rung_that_failed_is_checked_at_once_before_the_next_one() {
        let failed = || Attempt::Failed(text("exit 1"));
        let (ending, asked) = run([failed(), failed()], [State::Critical, State::Critical]);
        assert_eq!(
            (ending.outcome, ending.text.as_str()),
            (RepairOutcome::NotHealed, "exit 1; its check says: the check's line")
        );
        assert_eq!(asked.iter().filter(|step| *step == "settle 0").count(), 2);
        let (ending, _) = run([failed()], [State::Ok]);
        assert_eq!(ending.outcome, RepairOutcome::Healed);
    }

    #[test]
    fn a_gate_that_means_no_ends_the_climb() {
        let (ending, asked) = run([Attempt::Refused(text("held for maintenance"))], []);
        assert_eq!(
            (ending.outcome, ending.text.as_str()),
            (RepairOutcome::CouldNotRun, "held for maintenance")
        );
        assert_eq!(asked.len(), 1);
        let (ending, _) = run(
            [Attempt::Failed(text("exit 1")), Attempt::Refused(text("busy"))],
            [State::Critical],
        );
        assert_eq!(ending.outcome, RepairOutcome::NotHealed);
    }

    #[test]
    fn when_nothing_could_run_that_is_said() {
        let (ending, _) =
            run([Attempt::NotRun(text("refused")), Attempt::NotRun(text("no such program"))], []);
        assert_eq!(
            (ending.outcome, ending.text.as_str()),
            (RepairOutcome::CouldNotRun, "no such program")
        );
        assert!(ending.tried.is_empty());
    }

    #[test]
    fn after_an_unknown_outcome_nothing_more_is_tried() {
        let (ending, asked) = run([Attempt::Unknown(text("cut"))], [State::Critical]);
        assert_eq!(ending.outcome, RepairOutcome::Unknown);
        assert!(!asked.iter().any(|step| step.starts_with("local")));
        let (ending, _) = run([Attempt::Unknown(text("cut"))], [State::Ok]);
        assert_eq!(ending.outcome, RepairOutcome::Healed);
    }
}
