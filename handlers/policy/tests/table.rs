//! Tables of single events and the decisions expected for them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{STILL_CRITICAL, after, decide, event, observed, policy_of, rules, verdict};
use policy::{
    Decision, Event, FleetUsage, ObjectNow, ObjectState, PastOutcome, Pause, Reason,
    RecordedHistory, Rules, StateType,
};

#[test]
fn repairs_from_the_third_soft_attempt_by_default() {
    for (text, wanted) in [
        // The usual sequence: three SOFT failures, then a repair before anybody is paged.
        ("CRITICAL;SOFT;1/4", "too-early"),
        ("CRITICAL;SOFT;2/4", "too-early"),
        ("CRITICAL;SOFT;3/4", "repair"),
        ("CRITICAL;HARD;4/4", "repair"),
        ("OK;SOFT;4/4", "recovered"),
        ("OK;HARD;4/4", "recovered"),
        // With fewer attempts there is no SOFT 3, so the repair runs at the last SOFT attempt.
        ("CRITICAL;SOFT;1/3", "too-early"),
        ("CRITICAL;SOFT;2/3", "repair"),
        ("CRITICAL;SOFT;1/2", "repair"),
        ("CRITICAL;HARD;1/1", "repair"),
        // SOFT 3 is UNKNOWN between two CRITICAL results, so the repair runs at SOFT 4.
        ("UNKNOWN;SOFT;3/10", "state-not-covered"),
        ("CRITICAL;SOFT;4/10", "repair"),
        ("WARNING;HARD;4/4", "state-not-covered"),
        ("UNKNOWN;HARD;4/4", "state-not-covered"),
    ] {
        assert_eq!(verdict(&event(text), &RecordedHistory::default()), wanted, "{text}");
    }
}

#[test]
fn waits_for_soft_attempt_without_max_attempts() {
    for (attempt, wanted) in [(1, "too-early"), (2, "too-early"), (3, "repair"), (4, "repair")] {
        let called = Event { attempt, max_attempts: None, ..event("CRITICAL;SOFT;1/4") };
        assert_eq!(verdict(&called, &RecordedHistory::default()), wanted);
    }
}

#[test]
fn requires_two_results_in_a_row_if_configured() {
    let strict = policy_of(Rules { in_a_row: 2, ..rules() });
    for (text, last, wanted) in [
        ("CRITICAL;SOFT;3/4", Some(ObjectState::Critical), "repair"),
        // This is attempt 3, but the first CRITICAL result, because the previous result was
        // UNKNOWN.
        ("CRITICAL;SOFT;3/4", Some(ObjectState::Unknown), "not-in-a-row"),
        ("CRITICAL;SOFT;3/4", Some(ObjectState::Warning), "not-in-a-row"),
        ("CRITICAL;SOFT;1/4", Some(ObjectState::Ok), "too-early"),
        ("CRITICAL;SOFT;1/2", Some(ObjectState::Ok), "not-in-a-row"),
        ("CRITICAL;SOFT;2/3", Some(ObjectState::Critical), "repair"),
        ("CRITICAL;HARD;4/4", Some(ObjectState::Critical), "repair"),
        ("CRITICAL;HARD;4/4", Some(ObjectState::Warning), "not-in-a-row"),
        ("CRITICAL;HARD;1/1", Some(ObjectState::Ok), "not-in-a-row"),
        // A previous result that Nagios did not pass counts as not matching.
        ("CRITICAL;SOFT;3/4", None, "not-in-a-row"),
        ("CRITICAL;HARD;4/4", None, "not-in-a-row"),
    ] {
        let event = Event { last_state: last, ..event(text) };
        let decided = match decide(&event, &strict, &RecordedHistory::default()) {
            Decision::Repair(_) => "repair",
            Decision::NoAction(why) => why.code().as_str(),
        };
        assert_eq!(decided, wanted, "{text} after {last:?}");
        // With the default rules, the previous result does not matter.
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
        "every state of 'on' counts as a matching result"
    );
}

#[test]
fn gives_a_separate_reason_for_each_obstacle() {
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
    // $SERVICEDOWNTIME$ stays 0 while only the host is in downtime.
    assert_eq!(with(|e| e.host_downtime = 1), "host-downtime");
    assert_eq!(with(|e| e.host_state = None), "repair");

    let same = RecordedHistory { same_event: Some("j".into()), ..RecordedHistory::default() };
    assert_eq!(verdict(&hard, &same), "same-event");
    let problem = RecordedHistory { same_problem: Some("j".into()), ..RecordedHistory::default() };
    assert_eq!(verdict(&hard, &problem), "same-problem");
    // A job has already run for this problem, and its cooldown has not ended. The reason is the
    // cooldown, because its rule comes first.
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
    assert_eq!(now(|now| now.unreachable = true), "host-not-up");
}

#[test]
fn stops_repairs_that_do_not_help() {
    use PastOutcome::{Failed, Healed, NotRun};
    let hard = event("CRITICAL;HARD;4/4");
    for (repairs, wanted) in [
        (vec![(700, Failed), (1400, Failed)], "repair"),
        (vec![(700, Failed), (1400, Failed), (2100, Failed)], "breaker-open"),
        // Successful repairs count as failures if the fault returns after each of them.
        (vec![(700, Healed), (1400, Healed), (2100, Healed)], "breaker-open"),
        // The fault did not return soon after these repairs, but they use up the incident's budget.
        (vec![(1000, Healed), (2500, Healed), (4500, Healed)], "incident-budget"),
        // Repairs that were not run do not count.
        (vec![(1, NotRun), (1400, NotRun), (2100, NotRun)], "repair"),
        (vec![(1, NotRun), (50, Failed)], "cooling-down"),
        // An hour without a fault begins a new incident.
        (vec![(3600, Failed), (4400, Failed), (5100, Failed)], "repair"),
        // The window allows only six repairs a day, even if they belong to separate incidents.
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
fn refuses_repairs_when_a_fleet_limit_is_reached() {
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
fn repairs_a_host_that_is_down() {
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
fn displays_each_reason_as_a_sentence() {
    let left = Duration::from_millis(90_500);
    assert_eq!(
        Reason::BreakerOpen { ineffective: 3, left: Duration::from_secs(3000) }.to_string(),
        "the breaker is open because 3 repairs in this incident did not help: it closes after 50 \
         min without a fault, or when an admin runs 'repairctl reset'"
    );
    assert_eq!(
        Reason::CoolingDown { job: "j".into(), left }.to_string(),
        "cooling down after job j: repairs are allowed again in 91 s"
    );
    assert_eq!(
        Reason::TooEarly { attempt: 1, needed: Some(3) }.to_string(),
        "SOFT attempt 1 is too early: the policy allows repairs from SOFT attempt 3 on, or in a \
         HARD state"
    );
    let in_a_row = |state_type, last| {
        Reason::NotInARow { state: ObjectState::Critical, state_type, last }.to_string()
    };
    assert_eq!(
        in_a_row(StateType::Soft, Some(ObjectState::Warning)),
        "the previous result was WARNING, but the policy requires two results in a row: a \
         repair is allowed at the next CRITICAL"
    );
    assert_eq!(
        in_a_row(StateType::Hard, Some(ObjectState::Unknown)),
        "the previous result was UNKNOWN, but the policy requires two results in a row: a repair \
         is allowed at the next CRITICAL event, or when 'repairctl sweep' finds that the fault \
         persists"
    );
    assert!(in_a_row(StateType::Soft, None).ends_with("is unknown: pass it with --last-state"));
    assert_eq!(
        Reason::SameProblem { job: "j".into() }.to_string(),
        "job j has already run for this problem, and the problem is still there: somebody has to \
         look at it; repairs are allowed again for a new problem, or after 60 min"
    );
}
