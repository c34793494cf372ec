//! Sample rules, events and histories.
#![allow(dead_code, reason = "each test program uses only some of these functions")]

use std::time::Duration;

use policy::{
    Act, Decision, Event, Fleet, History, ObjectNow, ObjectState, Observation, PastOutcome,
    PastRepair, Policy, RecordedHistory, Rules, Rung,
};

pub fn rules() -> Rules {
    let rung = Rung {
        act: Act::Ssh { repair: "httpd".parse().unwrap(), at: None },
        timeout: Duration::from_secs(60),
        settle: Duration::ZERO,
        verify: vec!["check_http".into()],
        good_results: 1,
    };
    Rules::with_ladder(vec![rung])
}

pub fn policy() -> Policy {
    policy_of(rules())
}

pub fn policy_of(rules: Rules) -> Policy {
    Policy { repairs: [("httpd".parse().unwrap(), rules)].into(), fleet: Fleet::default() }
}

/// Parses an event such as `CRITICAL;SOFT;3/4`, which is the Nagios log format plus the maximum
/// number of attempts.
pub fn event(text: &str) -> Event {
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

/// Returns the decision about an event if the engine shows nothing.
pub fn decide(event: &Event, policy: &Policy, recorded: &RecordedHistory) -> Decision {
    policy::decide(event, policy, &recorded.clone().into())
}

pub fn verdict(event: &Event, recorded: &RecordedHistory) -> &'static str {
    code(&decide(event, &policy(), recorded))
}

/// Returns the decision for `event` with an empty ledger. The engine reports `object` as the
/// object's condition. `share` is the number of objects in trouble and the number of all objects.
pub fn observed(event: &Event, object: ObjectNow, share: (u32, u32)) -> &'static str {
    let observed = Some(Observation { object, share });
    code(&policy::decide(event, &policy(), &History { observed, ..History::default() }))
}

pub fn code(decision: &Decision) -> &'static str {
    match decision {
        Decision::Repair(_) => "repair",
        Decision::NoAction(why) => why.code().as_str(),
    }
}

pub const STILL_CRITICAL: ObjectNow = ObjectNow {
    state: Some(ObjectState::Critical),
    acknowledged: false,
    flapping: false,
    downtime: false,
    host_downtime: false,
    unreachable: false,
};

/// Creates a history of repairs, newest first. The caller passes the outcome of each repair and how
/// many seconds ago it ended.
pub fn after(repairs: &[(u64, PastOutcome)]) -> RecordedHistory {
    let past = |(ended, outcome): &(u64, PastOutcome)| PastRepair {
        job: "j".into(),
        began: Duration::from_secs(ended + 5),
        ended: Duration::from_secs(*ended),
        outcome: *outcome,
    };
    RecordedHistory { repairs: repairs.iter().map(past).collect(), ..RecordedHistory::default() }
}
