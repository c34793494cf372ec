//! The ladder: each rung acts, settles, is verified by its real check, and only then is the next
//! one tried.
//!
//! Pure but for the [`Hands`] it is given.

use std::time::Duration;

use ledger::RepairOutcome;
use plugin_kit::State;
use policy::{Act, JobId, RepairName, Rules, Rung};

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
    /// The gate says no, and means it: held for maintenance, busy, cooling down, not to be trusted.
    /// A stronger rung would be the wrong answer to that.
    Refused(String),
    /// It may have run.
    Unknown(String),
}

/// What a verify command said.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its exit code as a state. UNKNOWN also when it could not be run or did not end: then nobody
    /// knows.
    pub state: State,
    /// Its first line.
    pub text: String,
}

/// What the ladder needs of the world.
pub trait Hands {
    /// Keeps what the gate finds before anything is changed: a restart destroys evidence. Returns
    /// its first lines. A host that cannot be reached for that is not tried again for the rung
    /// itself.
    fn diagnose(&mut self, name: &RepairName, at: Option<&str>, limit: Duration) -> Vec<String>;
    /// Looks once more whether the repair is still called for; the error says why not. Since the
    /// event others may have had their turn first, and looking for evidence took its time.
    fn still_called_for(&mut self) -> Result<(), String>;
    /// Puts on record that a rung is about to be taken; the error says why it cannot. Then it is
    /// not taken: nobody would know later that it may have run.
    fn begin(&mut self, rung: &str) -> Result<(), String>;
    /// Asks a gate for a repair: the host's own, or that of the host `at`.
    fn ssh(&mut self, name: &RepairName, at: Option<&str>, job: &JobId, limit: Duration)
    -> Attempt;
    /// Runs a program on this server.
    fn local(&mut self, argv: &[String], limit: Duration) -> Attempt;
    /// Waits.
    fn settle(&mut self, span: Duration);
    /// Runs the check that proves the repair.
    fn verify(&mut self, rung: &Rung) -> Check;
    /// Records and shows what happens.
    fn note(&mut self, what: &str, text: &str);
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

/// Climbs until a rung is verified, or none is left, or going on would be wrong. The error says why
/// the first rung was not even taken: it is not called for any more.
pub fn climb(rules: &Rules, job: &JobId, hands: &mut dyn Hands) -> Result<Ending, String> {
    let evidence = look_first(rules, hands);
    hands.still_called_for()?;
    let (mut ran, mut tried) = (false, Vec::new());
    let mut last = String::new();
    for (n, rung) in rules.ladder.iter().enumerate() {
        let (number, of, act) = (n + 1, rules.ladder.len(), name_of(&rung.act));
        if let Err(why) = hands.begin(&format!("rung {number} of {of}: {act}")) {
            let text =
                format!("rung {number} of {of} cannot be put on record, so it is not taken: {why}");
            return Ok(Ending { outcome: unhealed(ran), text, tried, evidence });
        }
        let attempt = take(rung, job, number, hands);
        note_attempt(&attempt, hands);
        ran |= matches!(attempt, Attempt::Ran(_) | Attempt::Failed(_));
        if matches!(attempt, Attempt::Ran(_) | Attempt::Failed(_) | Attempt::Unknown(_)) {
            tried.push(format!("rung {number} of {of} ({act})"));
        }
        match judge(attempt, rung, ran, hands) {
            Step::End(outcome, text) => return Ok(Ending { outcome, text, tried, evidence }),
            Step::Next(text) => last = text,
        }
    }
    Ok(Ending { outcome: unhealed(ran), text: last, tried, evidence })
}

/// What follows from one rung.
enum Step {
    End(RepairOutcome, String),
    Next(String),
}

fn unhealed(ran: bool) -> RepairOutcome {
    if ran { RepairOutcome::NotHealed } else { RepairOutcome::CouldNotRun }
}

/// The check decides, never the exit status, in both directions. A check that cannot tell ends the
/// climb: a stronger rung must not be reached because a check is broken.
fn judge(attempt: Attempt, rung: &Rung, ran: bool, hands: &mut dyn Hands) -> Step {
    let settle = if matches!(attempt, Attempt::Failed(_)) { Duration::ZERO } else { rung.settle };
    let said = match &attempt {
        Attempt::NotRun(text) => return Step::Next(text.clone()),
        Attempt::Refused(text) => return Step::End(unhealed(ran), text.clone()),
        Attempt::Ran(text) | Attempt::Failed(text) | Attempt::Unknown(text) => text,
    };
    let check = verified(rung, settle, hands);
    let both = format!("{said}; its check says: {}", check.text);
    match (check.state, &attempt) {
        (State::Ok, _) => Step::End(RepairOutcome::Healed, check.text),
        (State::Unknown, _) => Step::End(
            RepairOutcome::Unknown,
            format!("{said}; its check cannot tell: {}", check.text),
        ),
        // Nobody may repair again on top of a repair that perhaps still runs.
        (_, Attempt::Unknown(_)) => Step::End(RepairOutcome::Unknown, both),
        (_, Attempt::Failed(_)) => Step::Next(both),
        _ => Step::Next(check.text),
    }
}

/// Evidence is gathered at the gate that is asked first.
fn look_first(rules: &Rules, hands: &mut dyn Hands) -> Vec<String> {
    let first = rules.ladder.first().and_then(|rung| match &rung.act {
        Act::Ssh { repair, at } => Some((repair, at.as_deref(), rung.timeout)),
        Act::Local(_) => None,
    });
    first.map(|(repair, at, limit)| hands.diagnose(repair, at, limit)).unwrap_or_default()
}

fn note_attempt(attempt: &Attempt, hands: &mut dyn Hands) {
    let (what, text) = match attempt {
        Attempt::Ran(text) => ("ran", text),
        Attempt::Failed(text) => ("failed", text),
        Attempt::NotRun(text) => ("not run", text),
        Attempt::Refused(text) => ("refused", text),
        Attempt::Unknown(text) => ("unknown", text),
    };
    hands.note(what, text);
}

/// What a rung does, as it is put on record.
pub fn name_of(act: &Act) -> String {
    match act {
        Act::Ssh { repair, at: None } => format!("ssh {repair}"),
        Act::Ssh { repair, at: Some(at) } => format!("ssh {repair} at {at}"),
        Act::Local(argv) => format!("local {}", argv.join(" ")),
    }
}

fn take(rung: &Rung, job: &JobId, number: usize, hands: &mut dyn Hands) -> Attempt {
    match &rung.act {
        // Every rung is a job of its own to the gate, which runs a job only once.
        Act::Ssh { repair, at } => match format!("{job}-{number}").parse() {
            Ok(rung_job) => hands.ssh(repair, at.as_deref(), &rung_job, rung.timeout),
            Err(bad) => Attempt::NotRun(bad.to_string()),
        },
        Act::Local(argv) => hands.local(argv, rung.timeout),
    }
}

/// The rung's check, as often in a row as the policy wants it to be good; the first result that is
/// not ends it.
fn verified(rung: &Rung, settle: Duration, hands: &mut dyn Hands) -> Check {
    hands.settle(settle);
    let mut check = check_once(rung, hands);
    for _ in 1..rung.good_results {
        if check.state != State::Ok {
            break;
        }
        hands.settle(BETWEEN_CHECKS);
        check = check_once(rung, hands);
    }
    check
}

fn check_once(rung: &Rung, hands: &mut dyn Hands) -> Check {
    let check = hands.verify(rung);
    hands.note("verified", &format!("{}: {}", check.state, check.text));
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
        called_off: Option<String>,
        /// So many rungs can be put on record.
        room: Option<usize>,
    }

    impl Hands for Scripted {
        fn diagnose(&mut self, _: &RepairName, _: Option<&str>, _: Duration) -> Vec<String> {
            vec!["evidence".into()]
        }

        fn still_called_for(&mut self) -> Result<(), String> {
            self.called_off.take().map_or(Ok(()), Err)
        }

        fn begin(&mut self, _: &str) -> Result<(), String> {
            match &mut self.room {
                Some(0) => Err(text("disk full")),
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

        fn verify(&mut self, rung: &Rung) -> Check {
            self.asked.push(format!("verify {}", rung.verify.join(" ")));
            Check { state: self.checks.pop_front().unwrap(), text: "the check's line".into() }
        }

        fn note(&mut self, _: &str, _: &str) {}
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
        let mut hands =
            Scripted { attempts: attempts.into(), checks: checks.into(), ..Scripted::default() };
        let ending = climb(rules, &"job-00001".parse().unwrap(), &mut hands).unwrap();
        assert!(
            hands.attempts.is_empty() && hands.checks.is_empty(),
            "not asked for all that was expected: {:?}",
            hands.asked
        );
        (ending, hands.asked)
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
        let mut hands = Scripted { called_off: Some(text("it is OK")), ..Scripted::default() };
        assert_eq!(
            climb(&rules(), &"job-00001".parse().unwrap(), &mut hands),
            Err(text("it is OK"))
        );
        assert!(hands.asked.is_empty());
    }

    #[test]
    fn what_cannot_be_put_on_record_is_not_begun() {
        let climbed = |room, attempts: &[Attempt]| {
            let checks = attempts.iter().map(|_| State::Critical).collect();
            let attempts = attempts.to_vec().into();
            let mut hands = Scripted { room: Some(room), attempts, checks, ..Scripted::default() };
            let ending = climb(&rules(), &"job-00001".parse().unwrap(), &mut hands).unwrap();
            assert!(ending.text.contains("disk full"), "{}", ending.text);
            (ending.outcome, hands.asked.len())
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
