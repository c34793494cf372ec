//! Properties that hold for every event and every history.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{STILL_CRITICAL, after, decide, event, policy, policy_of, rules};
use policy::{
    Decision, Event, FleetUsage, History, ObjectNow, ObjectState, Observation, PastOutcome,
    PastRepair, Pause, Reason, RecordedHistory, RefusalRun, Rules, StateType,
};
use proptest::prelude::*;

fn service_state() -> impl Strategy<Value = ObjectState> {
    prop::sample::select(vec![
        ObjectState::Ok,
        ObjectState::Warning,
        ObjectState::Critical,
        ObjectState::Unknown,
    ])
}

fn host_state() -> impl Strategy<Value = ObjectState> {
    prop::sample::select(vec![ObjectState::Up, ObjectState::Down, ObjectState::Unreachable])
}

prop_compose! {
    fn any_event()(
        state in service_state(),
        hard in any::<bool>(), attempt in 0..20u32, max in prop::option::of(0..12u32),
        host_state in prop::option::of(host_state()),
        last_state in prop::option::of(service_state()),
        downtime in 0..2u32, host_downtime in 0..2u32, named in any::<bool>(),
    ) -> Event {
        let state_type = if hard { StateType::Hard } else { StateType::Soft };
        let repair = named.then(|| "httpd".parse().unwrap());
        let max_attempts = max;
        let called = Event { state, state_type, attempt, ..event("OK;SOFT;1/4") };
        let known = Event { max_attempts, host_state, last_state, ..called };
        Event { downtime, host_downtime, repair, ..known }
    }
}

prop_compose! {
    fn any_history()(
        same in any::<bool>(), problem in any::<bool>(), running in prop::option::of(0..1000u64),
        refused in prop::collection::vec(0..20_000u64, 0..6),
        repairs in prop::collection::vec((0..100_000u64, 0..3usize), 0..8),
        fleet_running in 0..8u32, started in 0..30u32,
    ) -> RecordedHistory {
        let outcome = |(ended, n): (u64, usize)| (ended, OUTCOMES[n]);
        let mut repairs: Vec<_> = repairs.into_iter().map(outcome).collect();
        repairs.sort_by_key(|(ended, _)| *ended);
        let refused = refused.into_iter().map(Duration::from_secs);
        let mut refused: Vec<RefusalRun> = refused.map(RefusalRun::from).collect();
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
    fn repairs_only_opted_in_faults_outside_downtimes(
        event in any_event(), history in any_history(),
    ) {
        if let Decision::Repair(_) = decide(&event, &policy(), &history) {
            prop_assert_eq!(event.state, ObjectState::Critical);
            prop_assert!(event.repair.is_some());
            prop_assert_eq!(event.downtime + event.host_downtime, 0);
            prop_assert!(event.host_state.is_none_or(|state| state == ObjectState::Up));
        }
    }

    #[test]
    fn more_history_never_allows_more_repairs(
        event in any_event(), history in any_history(),
        ended in 0..100_000u64, outcome in 0..3usize, refused in 0..20_000u64,
    ) {
        let mut more = history.clone();
        more.repairs.extend(after(&[(ended, OUTCOMES[outcome])]).repairs);
        more.repairs.sort_by_key(|past| past.ended);
        more.refused.push(Duration::from_secs(refused).into());
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
    fn never_exceeds_a_limit(event in any_event(), history in any_history()) {
        let limits = rules().limits;
        if let Decision::Repair(_) = decide(&event, &policy(), &history) {
            prop_assert!(history.running.is_none());
            prop_assert!(history.same_event.is_none() && history.same_problem.is_none());
            let has_run = |past: &&PastRepair| past.outcome != PastOutcome::NotRun;
            let ran: Vec<&PastRepair> = history.repairs.iter().filter(has_run).collect();
            prop_assert!(ran.iter().all(|past| past.ended >= limits.cooldown));
            prop_assert!(history.spent(&limits) < 3 && history.ineffective(&limits) < 3);
            prop_assert!(ran.iter().filter(|past| past.began < limits.window.per).count() < 6);
            prop_assert!(history.fleet.running < 5 && history.fleet.started < 20);
        }
    }

    #[test]
    fn requiring_two_in_a_row_never_allows_more_repairs(
        event in any_event(), history in any_history(),
    ) {
        let strict = policy_of(Rules { in_a_row: 2, ..rules() });
        if let Decision::Repair(_) = decide(&event, &strict, &history) {
            prop_assert_eq!(event.state, ObjectState::Critical);
            prop_assert_eq!(event.last_state, Some(ObjectState::Critical));
            prop_assert!(matches!(decide(&event, &policy(), &history), Decision::Repair(_)));
        }
    }

    #[test]
    fn never_refuses_hard_states_as_too_early(event in any_event()) {
        let hard = Event { state_type: StateType::Hard, ..event };
        let decision = decide(&hard, &policy(), &RecordedHistory::default());
        let too_early = matches!(decision, Decision::NoAction(Reason::TooEarly { .. }));
        prop_assert!(!too_early);
    }
}
