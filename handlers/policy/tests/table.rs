//! The decision, as a table a person can read, and the promises that hold for every event.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use policy::{
    Act, Decision, Event, Fleet, FleetUsage, History, ObjectNow, ObjectState, Observation,
    PastOutcome, PastRepair, Pause, Policy, Reason, RecordedHistory, Rules, Rung, StateType,
};
use proptest::prelude::*;

fn rules() -> Rules {
    let rung = Rung {
        act: Act::Ssh { repair: "httpd".parse().unwrap(), at: None },
        timeout: Duration::from_secs(60),
        settle: Duration::ZERO,
        verify: vec!["check_http".into()],
        good_results: 1,
    };
    Rules::with_ladder(vec![rung])
}

fn policy() -> Policy {
    policy_of(rules())
}

fn policy_of(rules: Rules) -> Policy {
    Policy { repairs: [("httpd".parse().unwrap(), rules)].into(), fleet: Fleet::default() }
}

/// An event written as Nagios' log writes it: `CRITICAL;SOFT;3/4`.
fn event(text: &str) -> Event {
    let mut fields = text.split(';');
    let mut next = || fields.next().unwrap();
    let (state, state_type) = (ObjectState::of_service(next()).unwrap(), next().parse().unwrap());
    let (attempt, max) = next().split_once('/').unwrap();
    Event {
        max_attempts: Some(max.parse().unwrap()),
        host_state: Some(ObjectState::Up),
        problem_id: Some("1".into()),
        repair: Some("httpd".parse().unwrap()),
        ..Event::new("web1", Some("HTTP"), state, state_type, attempt.parse().unwrap())
    }
}

/// Decides without an engine.
fn decide(event: &Event, policy: &Policy, recorded: &RecordedHistory) -> Decision {
    policy::decide(event, policy, &recorded.clone().into())
}

fn verdict(event: &Event, recorded: &RecordedHistory) -> &'static str {
    code(&decide(event, &policy(), recorded))
}

/// The verdict when the engine shows this and nothing is on record.
fn observed(event: &Event, object: ObjectNow, share: (u32, u32)) -> &'static str {
    let observed = Some(Observation { object, share });
    code(&policy::decide(event, &policy(), &History { observed, ..History::default() }))
}

fn code(decision: &Decision) -> &'static str {
    match decision {
        Decision::Repair(_) => "repair",
        Decision::NoAction(why) => why.code().as_str(),
    }
}

const STILL_CRITICAL: ObjectNow =
    ObjectNow { state: Some(ObjectState::Critical), acknowledged: false, flapping: false };

#[test]
fn the_default_trigger() {
    for (text, wanted) in [
        // The article's own sequence: three soft failures first, repair before the page.
        ("CRITICAL;SOFT;1/4", "too-early"),
        ("CRITICAL;SOFT;2/4", "too-early"),
        ("CRITICAL;SOFT;3/4", "repair"),
        ("CRITICAL;HARD;4/4", "repair"),
        ("OK;SOFT;4/4", "recovered"),
        ("OK;HARD;4/4", "recovered"),
        // Where SOFT 3 never comes, the last SOFT before HARD does.
        ("CRITICAL;SOFT;1/3", "too-early"),
        ("CRITICAL;SOFT;2/3", "repair"),
        ("CRITICAL;SOFT;1/2", "repair"),
        ("CRITICAL;HARD;1/1", "repair"),
        // C U C with many attempts: SOFT 3 was UNKNOWN, so SOFT 4 is the first that counts.
        ("UNKNOWN;SOFT;3/10", "state-not-covered"),
        ("CRITICAL;SOFT;4/10", "repair"),
        ("WARNING;HARD;4/4", "state-not-covered"),
        ("UNKNOWN;HARD;4/4", "state-not-covered"),
    ] {
        assert_eq!(verdict(&event(text), &RecordedHistory::default()), wanted, "{text}");
    }
}

#[test]
fn without_max_attempts_it_waits_for_the_wanted_attempt() {
    for (attempt, wanted) in [(1, "too-early"), (2, "too-early"), (3, "repair"), (4, "repair")] {
        let called = Event { attempt, max_attempts: None, ..event("CRITICAL;SOFT;1/4") };
        assert_eq!(verdict(&called, &RecordedHistory::default()), wanted);
    }
}

#[test]
fn two_results_in_a_row_can_be_asked_for() {
    let strict = policy_of(Rules { in_a_row: 2, ..rules() });
    for (text, last, wanted) in [
        ("CRITICAL;SOFT;3/4", Some(ObjectState::Critical), "repair"),
        // C U C and W W C: the attempt is 3, but it is the first CRITICAL.
        ("CRITICAL;SOFT;3/4", Some(ObjectState::Unknown), "not-in-a-row"),
        ("CRITICAL;SOFT;3/4", Some(ObjectState::Warning), "not-in-a-row"),
        ("CRITICAL;SOFT;1/4", Some(ObjectState::Ok), "too-early"),
        ("CRITICAL;SOFT;1/2", Some(ObjectState::Ok), "not-in-a-row"),
        ("CRITICAL;SOFT;2/3", Some(ObjectState::Critical), "repair"),
        ("CRITICAL;HARD;4/4", Some(ObjectState::Critical), "repair"),
        ("CRITICAL;HARD;4/4", Some(ObjectState::Warning), "not-in-a-row"),
        ("CRITICAL;HARD;1/1", Some(ObjectState::Ok), "not-in-a-row"),
        // What Nagios does not say is not taken for a yes.
        ("CRITICAL;SOFT;3/4", None, "not-in-a-row"),
        ("CRITICAL;HARD;4/4", None, "not-in-a-row"),
    ] {
        let event = Event { last_state: last, ..event(text) };
        let decided = match decide(&event, &strict, &RecordedHistory::default()) {
            Decision::Repair(_) => "repair",
            Decision::NoAction(why) => why.code().as_str(),
        };
        assert_eq!(decided, wanted, "{text} after {last:?}");
        // Without it the result before does not matter.
        assert_ne!(verdict(&event, &RecordedHistory::default()), "not-in-a-row");
    }
    let covered = policy_of(Rules {
        in_a_row: 2,
        on: vec![ObjectState::Critical, ObjectState::Unknown],
        ..rules()
    });
    let mixed = Event { last_state: Some(ObjectState::Unknown), ..event("CRITICAL;SOFT;3/4") };
    assert!(
        matches!(decide(&mixed, &covered, &RecordedHistory::default()), Decision::Repair(_)),
        "each of the states of 'on' counts"
    );
}

#[test]
fn each_reason_to_stand_still_is_its_own() {
    let hard = event("CRITICAL;HARD;4/4");
    let none = RecordedHistory::default();
    let with = |change: fn(&mut Event)| {
        let mut changed = hard.clone();
        change(&mut changed);
        verdict(&changed, &none)
    };
    assert_eq!(with(|e| e.repair = None), "no-repair-named");
    assert_eq!(with(|e| e.repair = Some("htpd".parse().unwrap())), "unknown-repair");
    assert_eq!(with(|e| e.host_state = Some(ObjectState::Down)), "host-not-up");
    assert_eq!(with(|e| e.host_state = Some(ObjectState::Unreachable)), "host-not-up");
    assert_eq!(with(|e| e.downtime = 1), "service-downtime");
    // Nagios leaves SERVICEDOWNTIME at 0 for a downtime of the host.
    assert_eq!(with(|e| e.host_downtime = 1), "host-downtime");
    assert_eq!(with(|e| e.host_state = None), "repair");

    let same = RecordedHistory { same_event: Some("j".into()), ..RecordedHistory::default() };
    assert_eq!(verdict(&hard, &same), "same-event");
    let problem = RecordedHistory { same_problem: Some("j".into()), ..RecordedHistory::default() };
    assert_eq!(verdict(&hard, &problem), "same-problem");
    // While the cooldown holds that is the reason, and with it the call is a sign of trouble.
    let cooling =
        RecordedHistory { same_problem: Some("j".into()), ..after(&[(599, PastOutcome::Failed)]) };
    assert_eq!(verdict(&hard, &cooling), "cooling-down");
    let running = RecordedHistory {
        running: Some(("j".into(), Duration::from_secs(5))),
        ..RecordedHistory::default()
    };
    assert_eq!(verdict(&hard, &running), "already-running");
    assert_eq!(verdict(&hard, &after(&[(599, PastOutcome::Healed)])), "cooling-down");
    assert_eq!(verdict(&hard, &after(&[(600, PastOutcome::Healed)])), "repair");
    let ahead = RecordedHistory {
        ahead: Some(("j".into(), Duration::from_secs(90))),
        ..RecordedHistory::default()
    };
    assert_eq!(verdict(&hard, &ahead), "clock-went-back");
    let paused = Pause { by: "ann".into(), reason: "change 42".into(), left: None };
    assert_eq!(
        verdict(&hard, &RecordedHistory { paused: Some(paused), ..RecordedHistory::default() }),
        "paused"
    );

    let now = |change: fn(&mut ObjectNow)| {
        let mut now = STILL_CRITICAL;
        change(&mut now);
        observed(&hard, now, (1, 10))
    };
    assert_eq!(now(|_| ()), "repair");
    assert_eq!(now(|now| now.acknowledged = true), "acknowledged");
    assert_eq!(now(|now| now.flapping = true), "flapping");
    assert_eq!(now(|now| now.state = Some(ObjectState::Ok)), "recovered");
}

/// A history of repairs that ended so many seconds ago, the newest first.
fn after(repairs: &[(u64, PastOutcome)]) -> RecordedHistory {
    let past = |(ended, outcome): &(u64, PastOutcome)| PastRepair {
        job: "j".into(),
        began: Duration::from_secs(ended + 5),
        ended: Duration::from_secs(*ended),
        outcome: *outcome,
    };
    RecordedHistory { repairs: repairs.iter().map(past).collect(), ..RecordedHistory::default() }
}

#[test]
fn repairs_that_do_not_help_come_to_an_end() {
    use PastOutcome::{Failed, Healed, NotRun};
    let hard = event("CRITICAL;HARD;4/4");
    for (repairs, wanted) in [
        (vec![(700, Failed), (1400, Failed)], "repair"),
        (vec![(700, Failed), (1400, Failed), (2100, Failed)], "breaker-open"),
        // Successes after which the fault comes back each time are no successes.
        (vec![(700, Healed), (1400, Healed), (2100, Healed)], "breaker-open"),
        // These lasted longer than a relapse, and still it is the third repair of one incident.
        (vec![(1000, Healed), (2500, Healed), (4500, Healed)], "incident-budget"),
        // What could not be run has changed nothing.
        (vec![(1, NotRun), (1400, NotRun), (2100, NotRun)], "repair"),
        (vec![(1, NotRun), (50, Failed)], "cooling-down"),
        // An hour without a fault begins a new incident.
        (vec![(3600, Failed), (4400, Failed), (5100, Failed)], "repair"),
        // Six in a day are enough, whatever the incidents.
        (
            vec![
                (4000, Healed),
                (8000, Healed),
                (12_000, Healed),
                (16_000, Healed),
                (20_000, Healed),
                (24_000, Healed),
            ],
            "window-budget",
        ),
        (
            vec![
                (4000, Healed),
                (8000, Healed),
                (12_000, Healed),
                (16_000, Healed),
                (20_000, Healed),
                (90_000, Healed),
            ],
            "repair",
        ),
    ] {
        assert_eq!(verdict(&hard, &after(&repairs)), wanted, "{repairs:?}");
    }
}

#[test]
fn many_faults_at_once_have_another_cause() {
    let hard = event("CRITICAL;HARD;4/4");
    let fleet = |change: fn(&mut FleetUsage)| {
        let mut now = FleetUsage::default();
        change(&mut now);
        verdict(&hard, &RecordedHistory { fleet: now, ..RecordedHistory::default() })
    };
    assert_eq!(fleet(|now| now.running = 4), "repair");
    assert_eq!(fleet(|now| now.running = 5), "fleet-running");
    assert_eq!(fleet(|now| now.started = 19), "repair");
    assert_eq!(fleet(|now| now.started = 20), "fleet-started");
    assert_eq!(observed(&hard, STILL_CRITICAL, (50, 100)), "repair");
    assert_eq!(observed(&hard, STILL_CRITICAL, (51, 100)), "fleet-share");
    assert_eq!(observed(&hard, STILL_CRITICAL, (1, 1)), "repair");
}

#[test]
fn a_host_event_is_repaired_though_the_host_is_down() {
    let mut down = event("CRITICAL;HARD;4/4");
    (down.state, down.service, down.host_state) =
        (ObjectState::Down, None, Some(ObjectState::Down));
    assert_eq!(verdict(&down, &RecordedHistory::default()), "repair");
    down.downtime = 1;
    assert_eq!(verdict(&down, &RecordedHistory::default()), "host-downtime");
    (down.downtime, down.state) = (0, ObjectState::Unreachable);
    assert_eq!(verdict(&down, &RecordedHistory::default()), "state-not-covered");
}

#[test]
fn every_refusal_reads_as_a_sentence() {
    let left = Duration::from_millis(90_500);
    assert_eq!(
        Reason::BreakerOpen { ineffective: 3, left: Duration::from_secs(3000) }.to_string(),
        "the breaker is open, for 3 repairs of this incident did not help: it closes after 50 min \
         without a fault"
    );
    assert_eq!(
        Reason::CoolingDown { job: "j".into(), left }.to_string(),
        "cooling down after job j: allowed again in 91 s"
    );
    assert_eq!(
        Reason::TooEarly { attempt: 1, needed: Some(3) }.to_string(),
        "SOFT attempt 1 is too early: it repairs from SOFT 3 on, or when HARD"
    );
    let in_a_row = |state_type, last| {
        Reason::NotInARow { state: ObjectState::Critical, state_type, last }.to_string()
    };
    assert_eq!(
        in_a_row(StateType::Soft, Some(ObjectState::Warning)),
        "the result before was WARNING, and the policy wants two in a row: allowed at the next \
         CRITICAL"
    );
    assert_eq!(
        in_a_row(StateType::Hard, Some(ObjectState::Unknown)),
        "the result before was UNKNOWN, and the policy wants two in a row: allowed at the next \
         CRITICAL of which Nagios tells, \
         or by 'repairctl sweep' if it stays so"
    );
    assert!(in_a_row(StateType::Soft, None).ends_with("is not known: give it as --last-state"));
    assert_eq!(
        Reason::SameProblem { job: "j".into() }.to_string(),
        "job j has repaired this very problem, and it is still there: people are needed; allowed \
         again for a new problem, or \
         after 60 min"
    );
}

prop_compose! {
    fn any_event()(
        state in prop::sample::select(vec![ObjectState::Ok, ObjectState::Warning, ObjectState::Critical, ObjectState::Unknown]),
        hard in any::<bool>(), attempt in 0..20u32, max in prop::option::of(0..12u32),
        host_state in prop::option::of(prop::sample::select(vec![ObjectState::Up, ObjectState::Down, ObjectState::Unreachable])),
        last_state in prop::option::of(prop::sample::select(vec![ObjectState::Ok, ObjectState::Warning, ObjectState::Critical, ObjectState::Unknown])),
        downtime in 0..2u32, host_downtime in 0..2u32, named in any::<bool>(),
    ) -> Event {
        let state_type = if hard { StateType::Hard } else { StateType::Soft };
        let repair = named.then(|| "httpd".parse().unwrap());
        let max_attempts = max;
        let called = Event { state, state_type, attempt, max_attempts, host_state, last_state, ..event("OK;SOFT;1/4") };
        Event { downtime, host_downtime, repair, ..called }
    }
}

prop_compose! {
    fn any_history()(
        same in any::<bool>(), problem in any::<bool>(), running in prop::option::of(0..1000u64), refused in prop::collection::vec(0..20_000u64, 0..6),
        repairs in prop::collection::vec((0..100_000u64, 0..3usize), 0..8), fleet_running in 0..8u32, started in 0..30u32,
    ) -> RecordedHistory {
        let mut repairs: Vec<_> = repairs.into_iter().map(|(ended, n)| (ended, OUTCOMES[n])).collect();
        repairs.sort_by_key(|(ended, _)| *ended);
        let mut refused: Vec<Duration> = refused.into_iter().map(Duration::from_secs).collect();
        refused.sort();
        let fleet = FleetUsage { running: fleet_running, started, ..FleetUsage::default() };
        let running = running.map(|seconds| ("j".to_owned(), Duration::from_secs(seconds)));
        let (same_event, same_problem) = (same.then(|| "j".into()), problem.then(|| "j".into()));
        RecordedHistory { same_event, same_problem, running, refused, fleet, ..after(&repairs) }
    }
}

const OUTCOMES: [PastOutcome; 3] = [PastOutcome::Healed, PastOutcome::Failed, PastOutcome::NotRun];

proptest! {
    #[test]
    fn never_repairs_what_is_well_in_downtime_or_not_asked_for(event in any_event(), history in any_history()) {
        if let Decision::Repair(_) = decide(&event, &policy(), &history) {
            prop_assert_eq!(event.state, ObjectState::Critical);
            prop_assert!(event.repair.is_some());
            prop_assert_eq!(event.downtime + event.host_downtime, 0);
            prop_assert!(event.host_state.is_none_or(|state| state == ObjectState::Up));
        }
    }

    #[test]
    fn more_history_never_makes_it_bolder(
        event in any_event(), history in any_history(), ended in 0..100_000u64, outcome in 0..3usize, refused in 0..20_000u64,
    ) {
        let mut more = history.clone();
        more.repairs.extend(after(&[(ended, OUTCOMES[outcome])]).repairs);
        more.repairs.sort_by_key(|past| past.ended);
        more.refused.push(Duration::from_secs(refused));
        more.refused.sort();
        more.fleet.started += 1;
        more.fleet.running += 1;
        let what = ended % 6;
        let job = || Some("j".to_owned());
        match what {
            0 => more.same_event = job(),
            1 => more.same_problem = job(),
            2 => more.running = Some(("j".into(), Duration::ZERO)),
            3 => more.paused = Some(Pause { by: "ann".into(), reason: "x".into(), left: None }),
            _ => {}
        }
        let acknowledged = ObjectNow { acknowledged: true, ..STILL_CRITICAL };
        let observed = (what == 4).then_some(Observation { object: acknowledged, share: (1, 10) });
        let more = History { recorded: more, observed };
        if let Decision::Repair(_) = policy::decide(&event, &policy(), &more) {
            prop_assert!(matches!(decide(&event, &policy(), &history), Decision::Repair(_)));
        }
    }

    #[test]
    fn no_limit_is_ever_exceeded(event in any_event(), history in any_history()) {
        let limits = rules().limits;
        if let Decision::Repair(_) = decide(&event, &policy(), &history) {
            prop_assert!(history.running.is_none() && history.same_event.is_none() && history.same_problem.is_none());
            let ran: Vec<&PastRepair> = history.repairs.iter().filter(|past| past.outcome != PastOutcome::NotRun).collect();
            prop_assert!(ran.iter().all(|past| past.ended >= limits.cooldown));
            prop_assert!(history.spent(&limits) < 3 && history.ineffective(&limits) < 3);
            prop_assert!(ran.iter().filter(|past| past.began < limits.window.per).count() < 6);
            prop_assert!(history.fleet.running < 5 && history.fleet.started < 20);
        }
    }

    #[test]
    fn two_in_a_row_are_two_and_never_bolder_than_one(event in any_event(), history in any_history()) {
        let strict = policy_of(Rules { in_a_row: 2, ..rules() });
        if let Decision::Repair(_) = decide(&event, &strict, &history) {
            prop_assert_eq!((event.state, event.last_state), (ObjectState::Critical, Some(ObjectState::Critical)));
            prop_assert!(matches!(decide(&event, &policy(), &history), Decision::Repair(_)));
        }
    }

    #[test]
    fn hard_is_never_too_early(event in any_event()) {
        let hard = Event { state_type: StateType::Hard, ..event };
        let decision = decide(&hard, &policy(), &RecordedHistory::default());
        let too_early = matches!(decision, Decision::NoAction(Reason::TooEarly { .. }));
        prop_assert!(!too_early);
    }
}
