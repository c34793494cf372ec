//! Refuses events that are too old, and events that the last repair has already answered.

use std::time::Duration;

use policy::{Decision, Event, History, PastOutcome, PastRepair, Reason, decide};
use policy_file::Config;

/// Decides about an event of the given age. Refuses an event that is too old, because its fault may
/// be over. An event can be old because the server was off, or because a distributed engine ran the
/// handler late. Accepts an old event if the engine shows a newer check result.
pub fn decide_at_age(age: Duration, event: &Event, config: &Config, known: &History) -> Decision {
    if is_too_old(age, config, known) {
        return Decision::NoAction(Reason::WaitedTooLong(age));
    }
    match (decide(event, &config.policy, known), answered_by(age, known)) {
        (Decision::Repair(_), Some(job)) => Decision::NoAction(Reason::SameEvent { job }),
        (decision, _) => decision,
    }
}

/// Whether an event is too old. An event is never too old if the engine shows a newer check result.
pub fn is_too_old(age: Duration, config: &Config, known: &History) -> bool {
    let is_shown = known.observed.is_some_and(|observed| observed.object.state.is_some());
    age > config.max_event_age && !is_shown
}

/// Precision of the time of a check. Nagios passes this time in whole seconds.
const CHECK_PRECISION: Duration = Duration::from_secs(1);

/// Returns the job of the last repair if that repair ended after the fault was seen. If several
/// servers check the same service, all of them see the fault. The repair for the first event then
/// also answers the events of the other servers.
pub fn answered_by(age: Duration, known: &History) -> Option<String> {
    let has_run = |past: &&PastRepair| past.outcome != PastOutcome::NotRun;
    let last = known.recorded.repairs.iter().find(has_run)?;
    (last.ended + CHECK_PRECISION < age).then(|| last.job.clone())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use policy::{ObjectNow, ObjectState, Observation, RecordedHistory, StateType};

    #[test]
    fn refuses_old_event_unless_the_engine_shows_a_newer_result() {
        let policy = br#"{"max_event_age": "5m",
            "repairs": {"r": {"ladder": [{"ssh": "r"}], "verify": ["v"]}}}"#;
        let config = policy_file::parse(policy, Path::new("policy.json")).unwrap();
        let mut event = Event::new("web1", None, ObjectState::Down, StateType::Hard, 3);
        event.repair = Some("r".parse().unwrap());
        let decided = |seconds, state| {
            let object = ObjectNow { state, ..ObjectNow::default() };
            let observed = Some(Observation { object, share: (0, 0) });
            let known = History { observed, ..History::default() };
            decide_at_age(Duration::from_secs(seconds), &event, &config, &known)
        };
        let repair = Decision::Repair("r".parse().unwrap());
        assert_eq!(decided(300, None), repair);
        let refused = Reason::WaitedTooLong(Duration::from_secs(301));
        assert_eq!(decided(301, None), Decision::NoAction(refused));
        assert_eq!(decided(301, Some(ObjectState::Down)), repair);
    }

    #[test]
    fn refuses_fault_that_was_seen_before_the_last_repair_ended() {
        let past = |outcome| PastRepair {
            job: "job-00001".into(),
            began: Duration::from_secs(20),
            ended: Duration::from_secs(10),
            outcome,
        };
        let answered = |seconds, outcome| {
            let recorded =
                RecordedHistory { repairs: vec![past(outcome)], ..RecordedHistory::default() };
            answered_by(Duration::from_secs(seconds), &History { recorded, observed: None })
        };
        assert_eq!(answered(12, PastOutcome::Healed).as_deref(), Some("job-00001"));
        assert_eq!(answered(11, PastOutcome::Healed), None);
        assert_eq!(answered(12, PastOutcome::NotRun), None);
    }
}
