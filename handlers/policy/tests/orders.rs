//! Properties that hold for random sequences of handler calls on several hosts, including repeated
//! and late calls.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::time::Duration;

use policy::{
    Decision, Event, Fleet, FleetUsage, Limits, ObjectState, PastOutcome, PastRepair, Policy,
    Quota, RecordedHistory, Rules, SAME_EVENT_WITHIN, StateType, decide,
};
use proptest::prelude::*;

const HOSTS: usize = 4;
const OUTCOMES: [PastOutcome; 3] = [PastOutcome::Healed, PastOutcome::Failed, PastOutcome::NotRun];

/// One call to the handler, with the duration and outcome of the repair that it may start.
#[derive(Debug, Clone)]
struct Call {
    /// Seconds since the previous call.
    after: u64,
    host: usize,
    state: ObjectState,
    state_type: StateType,
    attempt: u32,
    problem: u32,
    takes: u64,
    outcome: PastOutcome,
}

/// One repair in a sequence. Times are in seconds since the start of the sequence.
#[derive(Debug, Clone)]
struct Repair {
    host: usize,
    problem: u32,
    event: (StateType, u32),
    began: u64,
    ended: u64,
    outcome: PastOutcome,
}

fn any_call() -> impl Strategy<Value = Call> {
    let states = [
        ObjectState::Critical,
        ObjectState::Critical,
        ObjectState::Critical,
        ObjectState::Ok,
        ObjectState::Warning,
        ObjectState::Unknown,
    ];
    let what = (prop::sample::select(states.to_vec()), any::<bool>(), 1..5u32);
    (0..400u64, 0..HOSTS, what, 1..4u32, 0..600u64, 0..3usize).prop_map(
        |(after, host, (state, hard, attempt), problem, takes, outcome)| Call {
            after,
            host,
            state,
            state_type: if hard { StateType::Hard } else { StateType::Soft },
            attempt,
            problem,
            takes,
            outcome: OUTCOMES[outcome],
        },
    )
}

fn policy() -> Policy {
    let limits = Limits {
        cooldown: Duration::from_secs(120),
        window: Quota { count: 4, per: Duration::from_secs(4 * 3600) },
        ..Limits::default()
    };
    let fleet = Fleet {
        running: 2,
        started: Quota { count: 6, per: Duration::from_secs(3600) },
        share: 100,
    };
    let rules = Rules { limits, ..Rules::with_ladder(Vec::new()) };
    Policy { repairs: [("fix".parse().unwrap(), rules)].into(), fleet }
}

/// Returns the history as a ledger would report it at `now`.
fn history(repairs: &[Repair], refused: &[(usize, u64)], call: &Call, now: u64) -> RecordedHistory {
    let age = |at: u64| Duration::from_secs(now.saturating_sub(at));
    let counts = |repair: &&Repair| repair.outcome != PastOutcome::NotRun || repair.ended > now;
    let runs = |repair: &&Repair| repair.ended > now;
    let answered = |same: &dyn Fn(&Repair) -> bool| {
        let here = repairs
            .iter()
            .filter(|repair| repair.host == call.host && repair.problem == call.problem)
            .filter(counts);
        here.filter(|repair| age(repair.began) < SAME_EVENT_WITHIN)
            .find(|repair| same(repair))
            .map(|_| "job".to_owned())
    };
    let mut past: Vec<&Repair> = repairs.iter().filter(|repair| repair.host == call.host).collect();
    past.sort_by_key(|repair| std::cmp::Reverse(repair.ended));
    let started = repairs.iter().filter(|repair| age(repair.began) < policy().fleet.started.per);
    RecordedHistory {
        same_event: answered(&|repair| repair.event == (call.state_type, call.attempt)),
        same_problem: answered(&|_| true),
        running: repairs
            .iter()
            .filter(runs)
            .find(|repair| repair.host == call.host)
            .map(|r| ("job".into(), age(r.began))),
        repairs: past
            .into_iter()
            .map(|r| {
                // The outcome of a running repair is unknown, so it counts as ineffective.
                let outcome = if r.ended > now { PastOutcome::Failed } else { r.outcome };
                PastRepair { job: "job".into(), began: age(r.began), ended: age(r.ended), outcome }
            })
            .collect(),
        refused: refused
            .iter()
            .rev()
            .filter(|(host, _)| *host == call.host)
            .map(|(_, at)| age(*at).into())
            .collect(),
        fleet: FleetUsage {
            running: u32::try_from(repairs.iter().filter(runs).count()).unwrap(),
            started: u32::try_from(started.count()).unwrap(),
            ..FleetUsage::default()
        },
        ..RecordedHistory::default()
    }
}

/// Decides about the calls in their order, and returns every repair that was allowed.
fn play(calls: &[Call]) -> Vec<Repair> {
    let (policy, mut repairs, mut refused, mut now) =
        (policy(), Vec::<Repair>::new(), Vec::new(), 0);
    for call in calls {
        now += call.after;
        let host = format!("h{}", call.host);
        let event = Event {
            max_attempts: Some(4),
            problem_id: Some(call.problem.to_string()),
            repair: "fix".parse().ok(),
            ..Event::new(&host, Some("S"), call.state, call.state_type, call.attempt)
        };
        match decide(&event, &policy, &history(&repairs, &refused, call, now).into()) {
            Decision::Repair(_) => {
                assert_eq!(
                    call.state,
                    ObjectState::Critical,
                    "repaired a service that is {}",
                    call.state
                );
                let &Call { host, problem, outcome, .. } = call;
                let event = (call.state_type, call.attempt);
                repairs.push(Repair {
                    host,
                    problem,
                    event,
                    began: now,
                    ended: now + call.takes,
                    outcome,
                });
            }
            Decision::NoAction(why)
                if why.code().as_str() == "same-event" || call.state != ObjectState::Critical => {}
            Decision::NoAction(_) => refused.push((call.host, now)),
        }
    }
    repairs
}

proptest! {
    #[test]
    fn never_exceeds_a_limit_in_any_order_of_calls(calls in prop::collection::vec(any_call(), 0..120)) {
        let (repairs, policy) = (play(&calls), policy());
        let limits = policy.repairs.values().next().unwrap().limits;
        for repair in &repairs {
            let at = repair.began;
            let begun = || repairs.iter().filter(|other| other.began <= at);
            let within = |span: Duration| begun().filter(move |other| at - other.began < span.as_secs());
            prop_assert!(begun().filter(|other| other.ended > at).count() <= policy.fleet.running as usize);
            prop_assert!(within(policy.fleet.started.per).count() <= policy.fleet.started.count as usize);
            let here = within(limits.window.per).filter(|other| other.host == repair.host);
            // The repair that begins now counts, even if it turns out later that no rung was run.
            let ran = here.filter(|other| other.outcome != PastOutcome::NotRun || other.began == at);
            prop_assert!(ran.count() <= limits.window.count as usize);
            let on_the_host = begun().filter(|other| other.host == repair.host && other.ended > at);
            prop_assert_eq!(on_the_host.count(), usize::from(repair.ended > at), "two repairs run on one \
                host");
        }
    }

    #[test]
    fn never_runs_a_ladder_twice_for_one_problem(calls in prop::collection::vec(any_call(), 0..120)) {
        // The same problem ID means the same problem only within `SAME_EVENT_WITHIN`, so the whole
        // sequence must be shorter than that.
        let hurried: Vec<Call> = calls.into_iter().map(|call| Call { after: call.after % 30, ..call }).collect();
        let ran = play(&hurried).into_iter().filter(|repair| repair.outcome != PastOutcome::NotRun);
        let mut seen = HashSet::new();
        for repair in ran {
            prop_assert!(seen.insert((repair.host, repair.problem)), "{repair:?} ran for the \
                same problem again");
        }
    }

    #[test]
    fn answers_a_repeated_call_only_once(calls in prop::collection::vec(any_call(), 0..60)) {
        let repeated = |call: &Call| [call.clone(), Call { after: 0, ..call.clone() }];
        let twice: Vec<Call> = calls.iter().flat_map(repeated).collect();
        for pair in play(&twice).windows(2) {
            let same = pair[0].host == pair[1].host && pair[0].began == pair[1].began;
            prop_assert!(!same || pair[0].outcome == PastOutcome::NotRun, "{pair:?}");
        }
    }
}
