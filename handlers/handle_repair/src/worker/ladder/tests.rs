use super::*;
use std::collections::VecDeque;

/// A mock executor that returns scripted results and records how it is called.
#[derive(Default)]
struct Scripted {
    attempts: VecDeque<Attempt>,
    checks: VecDeque<State>,
    calls: Vec<String>,
    /// The results of `still_wanted` for each rung. `None` means that the repair is still wanted.
    hindrances: VecDeque<Option<Reason>>,
    /// How many rungs can be recorded before the ledger fails; `None` if it never fails.
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
        self.calls.push(format!("ssh {name} {job}"));
        self.attempts.pop_front().unwrap()
    }

    fn local(&mut self, argv: &[String], _: Duration) -> Attempt {
        self.calls.push(format!("local {}", argv.join(" ")));
        self.attempts.pop_front().unwrap()
    }

    fn settle(&mut self, span: Duration) {
        self.calls.push(format!("settle {}", span.as_secs()));
    }

    fn verify(&mut self, rung: &Rung) -> CheckResult {
        self.calls.push(format!("verify {}", rung.verify.join(" ")));
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
        "unused results; calls: {:?}",
        executor.calls
    );
    (ending, executor.calls)
}

fn text(text: &str) -> String {
    text.into()
}

#[test]
fn ends_after_first_rung_whose_check_is_ok() {
    let (ending, calls) = run([Attempt::Ran(text("ok"))], [State::Ok]);
    assert_eq!((ending.outcome, ending.text.as_str()), (RepairOutcome::Healed, "the check's line"));
    assert_eq!(calls, ["ssh soft job-00001-1", "settle 2", "verify check"]);
}

#[test]
fn runs_nothing_if_repair_is_not_wanted_any_more() {
    let hindrances = [Some(Reason::Flapping)].into();
    let mut executor = Scripted { hindrances, ..Scripted::default() };
    let called_off = climb(&rules(), &"job-00001".parse().unwrap(), &mut executor);
    assert!(matches!(called_off, Err(CalledOff::NotWanted(Reason::Flapping))));
    assert!(executor.calls.is_empty());
}

/// Climbs a ladder whose second rung is no longer wanted. `checks` are the results that the checks
/// return.
fn hindered(hindrance: Reason, checks: &[State]) -> (Ending, Vec<String>) {
    let mut executor = Scripted {
        attempts: [Attempt::Ran(text("ok"))].into(),
        checks: checks.to_vec().into(),
        hindrances: [None, Some(hindrance)].into(),
        ..Scripted::default()
    };
    let ending = climb(&rules(), &"job-00001".parse().unwrap(), &mut executor).unwrap();
    assert!(executor.checks.is_empty(), "{:?}", executor.calls);
    (ending, executor.calls)
}

#[test]
fn skips_second_rung_if_repair_is_not_wanted_any_more() {
    for hindrance in [Reason::Acknowledged, Reason::ServiceDowntime, Reason::HostDowntime] {
        let (ending, calls) = hindered(hindrance.clone(), &[State::Critical]);
        assert_eq!(ending.outcome, RepairOutcome::NotHealed);
        assert_eq!(ending.text, format!("rung 2 was not run: {hindrance}"));
        assert_eq!(calls, ["ssh soft job-00001-1", "settle 2", "verify check"]);
    }
}

#[test]
fn verifies_recovery_between_two_rungs() {
    let recovered = Reason::Recovered(policy::ObjectState::Ok);
    let (ending, _) = hindered(recovered.clone(), &[State::Critical, State::Ok]);
    assert_eq!((ending.outcome, ending.text.as_str()), (RepairOutcome::Healed, "the check's line"));
    assert_eq!(ending.tried.len(), 1);
    let (ending, _) = hindered(recovered, &[State::Critical, State::Critical]);
    assert_eq!(ending.outcome, RepairOutcome::NotHealed);
}

#[test]
fn runs_no_rung_that_cannot_be_recorded() {
    let climbed = |room, attempts: &[Attempt]| {
        let checks = attempts.iter().map(|_| State::Critical).collect();
        let attempts = attempts.to_vec().into();
        let mut executor = Scripted { room: Some(room), attempts, checks, ..Scripted::default() };
        let ending = climb(&rules(), &"job-00001".parse().unwrap(), &mut executor).unwrap();
        assert!(ending.text.contains("/var/lib/ledger"), "{}", ending.text);
        (ending.outcome, executor.calls.len())
    };
    assert_eq!(climbed(0, &[]), (RepairOutcome::CouldNotRun, 0));
    assert_eq!(climbed(1, &[Attempt::Ran(text("ok"))]), (RepairOutcome::NotHealed, 3));
}

#[test]
fn tries_next_rung_if_check_still_fails() {
    let (ending, calls) =
        run([Attempt::Ran(text("ok")), Attempt::Ran(text("ok"))], [State::Critical, State::Ok]);
    assert_eq!(ending.outcome, RepairOutcome::Healed);
    assert_eq!(ending.tried, ["rung 1 of 2 (ssh soft)", "rung 2 of 2 (local /bin/hard)"]);
    assert_eq!(calls[3], "local /bin/hard");
}

#[test]
fn requires_as_many_good_results_as_the_policy_says() {
    let mut rules = rules();
    rules.ladder.iter_mut().for_each(|rung| rung.good_results = 2);
    let ran = || Attempt::Ran(text("ok"));
    let (ending, calls) = run_with(&rules, [ran()], [State::Ok, State::Ok]);
    assert_eq!(ending.outcome, RepairOutcome::Healed);
    assert_eq!(
        calls,
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
fn warning_does_not_count_as_healed() {
    let (ending, _) = run(
        [Attempt::Ran(text("ok")), Attempt::Ran(text("ok"))],
        [State::Warning, State::Critical],
    );
    assert_eq!(ending.outcome, RepairOutcome::NotHealed);
}

#[test]
fn ends_climb_after_inconclusive_check() {
    let (ending, calls) = run([Attempt::Ran(text("ok"))], [State::Unknown]);
    assert_eq!(ending.outcome, RepairOutcome::Unknown);
    assert!(!calls.iter().any(|step| step.starts_with("local")));
}

#[test]
fn checks_failed_rung_without_settle_time() {
    let failed = || Attempt::Failed(text("exit 1"));
    let (ending, calls) = run([failed(), failed()], [State::Critical, State::Critical]);
    assert_eq!(
        (ending.outcome, ending.text.as_str()),
        (RepairOutcome::NotHealed, "exit 1; the check reports: the check's line")
    );
    assert_eq!(calls.iter().filter(|step| *step == "settle 0").count(), 2);
    let (ending, _) = run([failed()], [State::Ok]);
    assert_eq!(ending.outcome, RepairOutcome::Healed);
}

#[test]
fn ends_climb_if_gate_refuses() {
    let (ending, calls) = run([Attempt::Refused(text("held for maintenance"))], []);
    assert_eq!(
        (ending.outcome, ending.text.as_str()),
        (RepairOutcome::CouldNotRun, "held for maintenance")
    );
    assert_eq!(calls.len(), 1);
    let (ending, _) =
        run([Attempt::Failed(text("exit 1")), Attempt::Refused(text("busy"))], [State::Critical]);
    assert_eq!(ending.outcome, RepairOutcome::NotHealed);
}

#[test]
fn reports_that_no_rung_could_run() {
    let (ending, _) =
        run([Attempt::NotRun(text("refused")), Attempt::NotRun(text("no such program"))], []);
    assert_eq!(
        (ending.outcome, ending.text.as_str()),
        (RepairOutcome::CouldNotRun, "no such program")
    );
    assert!(ending.tried.is_empty());
}

#[test]
fn ends_climb_after_unknown_outcome() {
    let (ending, calls) = run([Attempt::Unknown(text("cut"))], [State::Critical]);
    assert_eq!(ending.outcome, RepairOutcome::Unknown);
    assert!(!calls.iter().any(|step| step.starts_with("local")));
    let (ending, _) = run([Attempt::Unknown(text("cut"))], [State::Ok]);
    assert_eq!(ending.outcome, RepairOutcome::Healed);
}

#[test]
fn outcome_is_unknown_if_no_gate_confirms_the_repair() {
    for state in [State::Ok, State::Critical, State::Unknown] {
        let (ending, calls) = run([Attempt::NoAnswer(text("cut"))], [state]);
        let expected = format!("cut; the check is {state}: the check's line");
        assert_eq!((ending.outcome, ending.text), (RepairOutcome::Unknown, expected));
        assert_eq!(calls, ["ssh soft job-00001-1", "settle 2", "verify check"]);
    }
}
