//! The ladder: each rung acts, settles, is verified by its real check, and only then is the next one tried.
//!
//! Pure but for the [`Hands`] it is given.

use std::time::Duration;

use ledger::Outcome;
use plugin_kit::State;
use policy::{Act, JobId, RepairName, Rules, Rung};

/// How long, after a rung's own time, a lost answer is asked for.
pub const GRACE: Duration = Duration::from_secs(10);

/// What acting came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    /// It ran and says it succeeded.
    Ran(String),
    /// It ran and failed.
    Failed(String),
    /// It is certain that nothing was run.
    NotRun(String),
    /// It may have run.
    Unknown(String),
}

/// What a verify command said.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its exit code as a state.
    pub state: State,
    /// Its first line.
    pub text: String,
}

/// What the ladder needs of the world.
pub trait Hands {
    /// Asks the host's gate for a repair.
    fn ssh(&mut self, name: &RepairName, job: &JobId, limit: Duration) -> Attempt;
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
    pub outcome: Outcome,
    /// Why, for people.
    pub text: String,
}

/// Climbs until a rung is verified, or none is left.
pub fn climb(rules: &Rules, job: &JobId, hands: &mut dyn Hands) -> Ending {
    let mut ran = false;
    let mut last = String::new();
    for (n, rung) in rules.ladder.iter().enumerate() {
        let (number, of) = (n + 1, rules.ladder.len());
        hands.note("run", &format!("rung {number} of {of}: {}", name_of(&rung.act)));
        let attempt = take(rung, job, number, hands);
        let (what, text) = match &attempt {
            Attempt::Ran(text) => ("ran", text),
            Attempt::Failed(text) => ("failed", text),
            Attempt::NotRun(text) => ("not run", text),
            Attempt::Unknown(text) => ("unknown", text),
        };
        hands.note(what, text);
        ran |= matches!(attempt, Attempt::Ran(_) | Attempt::Failed(_));
        last = match attempt {
            Attempt::NotRun(text) | Attempt::Failed(text) => text,
            Attempt::Ran(_) => match verified(rung, hands) {
                Ok(text) => return Ending { outcome: Outcome::Healed, text },
                Err(text) => text,
            },
            // Nobody may repair again on top of a repair that perhaps still runs.
            Attempt::Unknown(text) => match verified(rung, hands) {
                Ok(text) => return Ending { outcome: Outcome::Healed, text },
                Err(check) => return Ending { outcome: Outcome::Unknown, text: format!("{text}; its check says: {check}") },
            },
        };
    }
    Ending { outcome: if ran { Outcome::NotHealed } else { Outcome::CouldNotRun }, text: last }
}

fn name_of(act: &Act) -> String {
    match act {
        Act::Ssh(name) => format!("ssh {name}"),
        Act::Local(argv) => format!("local {}", argv.join(" ")),
    }
}

fn take(rung: &Rung, job: &JobId, number: usize, hands: &mut dyn Hands) -> Attempt {
    match &rung.act {
        // Every rung is a job of its own to the gate, which runs a job only once.
        Act::Ssh(name) => match format!("{job}-{number}").parse() {
            Ok(rung_job) => hands.ssh(name, &rung_job, rung.timeout),
            Err(bad) => Attempt::NotRun(bad.to_string()),
        },
        Act::Local(argv) => hands.local(argv, rung.timeout),
    }
}

fn verified(rung: &Rung, hands: &mut dyn Hands) -> Result<String, String> {
    hands.settle(rung.settle);
    let check = hands.verify(rung);
    hands.note("verified", &format!("{}: {}", check.state, check.text));
    if check.state == State::Ok { Ok(check.text) } else { Err(check.text) }
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
    }

    impl Hands for Scripted {
        fn ssh(&mut self, name: &RepairName, job: &JobId, _: Duration) -> Attempt {
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
        let rung =
            |act| Rung { act, timeout: Duration::from_secs(9), settle: Duration::from_secs(2), verify: vec!["check".into()] };
        Rules::with_ladder(vec![rung(Act::Ssh("soft".parse().unwrap())), rung(Act::Local(vec!["/bin/hard".into()]))])
    }

    fn run(attempts: impl Into<VecDeque<Attempt>>, checks: impl Into<VecDeque<State>>) -> (Ending, Vec<String>) {
        let mut hands = Scripted { attempts: attempts.into(), checks: checks.into(), asked: Vec::new() };
        let ending = climb(&rules(), &"job-00001".parse().unwrap(), &mut hands);
        assert!(hands.attempts.is_empty() && hands.checks.is_empty(), "not asked for all that was expected: {:?}", hands.asked);
        (ending, hands.asked)
    }

    fn text(text: &str) -> String {
        text.into()
    }

    #[test]
    fn the_first_rung_that_verifies_ends_the_climb() {
        let (ending, asked) = run([Attempt::Ran(text("ok"))], [State::Ok]);
        assert_eq!((ending.outcome, ending.text.as_str()), (Outcome::Healed, "the check's line"));
        assert_eq!(asked, ["ssh soft job-00001-1", "settle 2", "verify check"]);
    }

    #[test]
    fn a_rung_that_succeeds_but_does_not_verify_hands_on() {
        let (ending, asked) = run([Attempt::Ran(text("ok")), Attempt::Ran(text("ok"))], [State::Critical, State::Ok]);
        assert_eq!(ending.outcome, Outcome::Healed);
        assert_eq!(asked[3], "local /bin/hard");
    }

    #[test]
    fn a_warning_is_not_healed() {
        let (ending, _) = run([Attempt::Ran(text("ok")), Attempt::Ran(text("ok"))], [State::Warning, State::Unknown]);
        assert_eq!(ending.outcome, Outcome::NotHealed);
    }

    #[test]
    fn a_rung_that_failed_is_not_verified() {
        let (ending, asked) = run([Attempt::Failed(text("exit 1")), Attempt::Failed(text("exit 2"))], []);
        assert_eq!((ending.outcome, ending.text.as_str()), (Outcome::NotHealed, "exit 2"));
        assert_eq!(asked.len(), 2);
    }

    #[test]
    fn when_nothing_could_run_that_is_said() {
        let (ending, _) = run([Attempt::NotRun(text("refused")), Attempt::NotRun(text("no such program"))], []);
        assert_eq!((ending.outcome, ending.text.as_str()), (Outcome::CouldNotRun, "no such program"));
    }

    #[test]
    fn after_an_unknown_outcome_nothing_more_is_tried() {
        let (ending, asked) = run([Attempt::Unknown(text("cut"))], [State::Critical]);
        assert_eq!(ending.outcome, Outcome::Unknown);
        assert!(!asked.iter().any(|step| step.starts_with("local")));
        let (ending, _) = run([Attempt::Unknown(text("cut"))], [State::Ok]);
        assert_eq!(ending.outcome, Outcome::Healed);
    }
}
