use super::*;
use std::collections::VecDeque;

/// A world that answers as it was told, and remembers what was asked of it.
#[derive(Default)]
struct Scripted {
    attempts: VecDeque<Attempt>,
    checks: VecDeque<State>,
    asked: Vec<String>,
    /// What is found when it looks once more, before each rung.
    hindrances: VecDeque<Option<Reason>>,
    /// So many rungs can be put on record.
    room: Option<usize>,
}

impl Executor for Scripted {
    fn diagnose(&mut self, _: &RepairName, _: Option<&str>, _: Duration) -> Vec<String> {
        vec!["evidence".into()]
    }

    fn still_wanted(&mut self) -> Result<(), CalledOff> {
        let hindrance = self.hindrances.pop_front().flatten();
        hindrance.map_or(Ok(()), |why| Err(CalledOff::NotWanted(why)))
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
    assert_eq!((ending.outcome, ending.text.as_str()), (RepairOutcome::Healed, "the check's line"));
    assert_eq!(asked, ["ssh soft job-00001-1", "settle 2", "verify check"]);
}

#[test]
fn what_is_not_called_for_any_more_is_not_begun() {
    let hindrances = [Some(Reason::Flapping)].into();
    let mut executor = Scripted { hindrances, ..Scripted::default() };
    let called_off = climb(&rules(), &"job-00001".parse().unwrap(), &mut executor);
    assert!(matches!(called_off, Err(CalledOff::NotWanted(Reason::Flapping))));
    assert!(executor.asked.is_empty());
}

/// The end of a climb that finds this after its first rung, which did not help.
fn hindered(hindrance: Reason, checks: &[State]) -> (Ending, Vec<String>) {
    let mut executor = Scripted {
        attempts: [Attempt::Ran(text("ok"))].into(),
        checks: checks.to_vec().into(),
        hindrances: [None, Some(hindrance)].into(),
        ..Scripted::default()
    };
    let ending = climb(&rules(), &"job-00001".parse().unwrap(), &mut executor).unwrap();
    assert!(executor.checks.is_empty(), "{:?}", executor.asked);
    (ending, executor.asked)
}

#[test]
fn a_stronger_rung_is_not_taken_when_something_speaks_against_it_meanwhile() {
    for hindrance in [Reason::Acknowledged, Reason::ServiceDowntime, Reason::HostDowntime] {
        let (ending, asked) = hindered(hindrance.clone(), &[State::Critical]);
        assert_eq!(ending.outcome, RepairOutcome::NotHealed);
        assert_eq!(ending.text, format!("rung 2 was not taken: {hindrance}"));
        assert_eq!(asked, ["ssh soft job-00001-1", "settle 2", "verify check"]);
    }
}

#[test]
fn a_recovery_between_two_rungs_is_checked() {
    let recovered = Reason::Recovered(policy::ObjectState::Ok);
    let (ending, _) = hindered(recovered.clone(), &[State::Critical, State::Ok]);
    assert_eq!((ending.outcome, ending.text.as_str()), (RepairOutcome::Healed, "the check's line"));
    assert_eq!(ending.tried.len(), 1);
    let (ending, _) = hindered(recovered, &[State::Critical, State::Critical]);
    assert_eq!(ending.outcome, RepairOutcome::NotHealed);
}

#[test]
fn what_cannot_be_put_on_record_is_not_begun() {
    let climbed = |room, attempts: &[Attempt]| {
        let checks = attempts.iter().map(|_| State::Critical).collect();
        let attempts = attempts.to_vec().into();
        let mut executor = Scripted { room: Some(room), attempts, checks, ..Scripted::default() };
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
    let (ending, _) =
        run([Attempt::Failed(text("exit 1")), Attempt::Refused(text("busy"))], [State::Critical]);
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

#[test]
fn what_no_gate_says_it_has_run_has_not_healed_anything() {
    for state in [State::Ok, State::Critical, State::Unknown] {
        let (ending, asked) = run([Attempt::NoAnswer(text("cut"))], [state]);
        let said = format!("cut; its check is {state}: the check's line");
        assert_eq!((ending.outcome, ending.text), (RepairOutcome::Unknown, said));
        assert_eq!(asked, ["ssh soft job-00001-1", "settle 2", "verify check"]);
    }
}
