//! The decision, as a table a person can read, and the promises that hold for every event.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use policy::{Act, Decision, Event, History, Policy, Rules, Rung, State, StateType, Why, decide};
use proptest::prelude::*;

fn rules() -> Rules {
    let rung = Rung {
        act: Act::Ssh("httpd".parse().unwrap()),
        timeout: Duration::from_secs(60),
        settle: Duration::ZERO,
        verify: vec!["check_http".into()],
    };
    Rules::with_ladder(vec![rung])
}

fn policy() -> Policy {
    Policy { repairs: [("httpd".parse().unwrap(), rules())].into() }
}

/// An event written as Nagios' log writes it: `CRITICAL;SOFT;3/4`.
fn event(text: &str) -> Event {
    let mut fields = text.split(';');
    let mut next = || fields.next().unwrap();
    let (state, state_type) = (State::of_service(next()).unwrap(), next().parse().unwrap());
    let (attempt, max) = next().split_once('/').unwrap();
    Event {
        state,
        state_type,
        attempt: attempt.parse().unwrap(),
        max_attempts: Some(max.parse().unwrap()),
        host: "web1".into(),
        service: Some("HTTP".into()),
        host_state: Some(State::Up),
        last_state: None,
        downtime: 0,
        host_downtime: 0,
        problem_id: Some("1".into()),
        repair: Some("httpd".parse().unwrap()),
    }
}

fn verdict(event: &Event, history: &History) -> &'static str {
    match decide(event, &policy(), history) {
        Decision::Repair(_) => "repair",
        Decision::Stand(why) => why.code(),
    }
}

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
        assert_eq!(verdict(&event(text), &History::default()), wanted, "{text}");
    }
}

#[test]
fn without_max_attempts_it_waits_for_the_wanted_attempt() {
    for (attempt, wanted) in [(1, "too-early"), (2, "too-early"), (3, "repair"), (4, "repair")] {
        let called = Event { attempt, max_attempts: None, ..event("CRITICAL;SOFT;1/4") };
        assert_eq!(verdict(&called, &History::default()), wanted);
    }
}

#[test]
fn each_reason_to_stand_still_is_its_own() {
    let hard = event("CRITICAL;HARD;4/4");
    let none = History::default();
    let with = |change: fn(&mut Event)| {
        let mut changed = hard.clone();
        change(&mut changed);
        verdict(&changed, &none)
    };
    assert_eq!(with(|e| e.repair = None), "no-repair-named");
    assert_eq!(with(|e| e.repair = Some("htpd".parse().unwrap())), "unknown-repair");
    assert_eq!(with(|e| e.host_state = Some(State::Down)), "host-not-up");
    assert_eq!(with(|e| e.host_state = Some(State::Unreachable)), "host-not-up");
    assert_eq!(with(|e| e.downtime = 1), "service-downtime");
    // Nagios leaves SERVICEDOWNTIME at 0 for a downtime of the host.
    assert_eq!(with(|e| e.host_downtime = 1), "host-downtime");
    assert_eq!(with(|e| e.host_state = None), "repair");

    let same = History { same_event: Some("j".into()), ..History::default() };
    assert_eq!(verdict(&hard, &same), "same-event");
    let running = History { running: Some(("j".into(), Duration::from_secs(5))), ..History::default() };
    assert_eq!(verdict(&hard, &running), "already-running");
    let ended = |ago| History { last: Some(("j".into(), Duration::from_secs(ago))), ..History::default() };
    assert_eq!(verdict(&hard, &ended(599)), "cooling-down");
    assert_eq!(verdict(&hard, &ended(600)), "repair");
}

#[test]
fn a_host_event_is_repaired_though_the_host_is_down() {
    let mut down = event("CRITICAL;HARD;4/4");
    (down.state, down.service, down.host_state) = (State::Down, None, Some(State::Down));
    assert_eq!(verdict(&down, &History::default()), "repair");
    down.downtime = 1;
    assert_eq!(verdict(&down, &History::default()), "host-downtime");
    (down.downtime, down.state) = (0, State::Unreachable);
    assert_eq!(verdict(&down, &History::default()), "state-not-covered");
}

#[test]
fn every_refusal_reads_as_a_sentence() {
    let left = Duration::from_millis(90_500);
    assert_eq!(Why::CoolingDown { job: "j".into(), left }.to_string(), "cooling down after job j: allowed again in 91 s");
    assert_eq!(
        Why::TooEarly { attempt: 1, needed: Some(3) }.to_string(),
        "SOFT attempt 1 is too early: it repairs from SOFT 3 on, or when HARD"
    );
}

prop_compose! {
    fn any_event()(
        state in prop::sample::select(vec![State::Ok, State::Warning, State::Critical, State::Unknown]),
        hard in any::<bool>(), attempt in 0..20u32, max in prop::option::of(0..12u32),
        host_state in prop::option::of(prop::sample::select(vec![State::Up, State::Down, State::Unreachable])),
        downtime in 0..2u32, host_downtime in 0..2u32, named in any::<bool>(),
    ) -> Event {
        let state_type = if hard { StateType::Hard } else { StateType::Soft };
        let repair = named.then(|| "httpd".parse().unwrap());
        Event { state, state_type, attempt, max_attempts: max, host_state, downtime, host_downtime, repair, ..event("OK;SOFT;1/4") }
    }
}

prop_compose! {
    fn any_history()(
        same in any::<bool>(), running in prop::option::of(0..1000u64), last in prop::option::of(0..2000u64),
    ) -> History {
        let ago = |seconds: u64| ("j".to_owned(), Duration::from_secs(seconds));
        History { same_event: same.then(|| "j".into()), running: running.map(ago), last: last.map(ago) }
    }
}

proptest! {
    #[test]
    fn never_repairs_what_is_well_in_downtime_or_not_asked_for(event in any_event(), history in any_history()) {
        if let Decision::Repair(_) = decide(&event, &policy(), &history) {
            prop_assert_eq!(event.state, State::Critical);
            prop_assert!(event.repair.is_some());
            prop_assert_eq!(event.downtime + event.host_downtime, 0);
            prop_assert!(event.host_state.is_none_or(|state| state == State::Up));
        }
    }

    #[test]
    fn more_history_never_makes_it_bolder(event in any_event(), history in any_history()) {
        if let Decision::Repair(_) = decide(&event, &policy(), &history) {
            prop_assert!(matches!(decide(&event, &policy(), &History::default()), Decision::Repair(_)));
        }
    }

    #[test]
    fn hard_is_never_too_early(event in any_event()) {
        let hard = Event { state_type: StateType::Hard, ..event };
        let decision = decide(&hard, &policy(), &History::default());
        let too_early = matches!(decision, Decision::Stand(Why::TooEarly { .. }));
        prop_assert!(!too_early);
    }
}
