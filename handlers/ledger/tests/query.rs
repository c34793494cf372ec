//! Tests queries by object, time, outcome and job ID prefix, and refusal counts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, SystemTime};

use common::Place;
use ledger::{Claim, Filter, Ledger, Record, RepairOutcome, RepairState, RungStart, Which};
use policy::{Decision, Event, JobId, ObjectState, Policy, Reason, ReasonCode, StateType};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn job(n: u32) -> JobId {
    format!("job-{n:04}-x").parse().unwrap()
}

fn reserve(
    ledger: &mut Box<dyn Ledger>,
    n: u32,
    (host, service): (&str, Option<&str>),
    seconds: u64,
    refuse: Option<Reason>,
) {
    let event = Event {
        problem_id: Some(n.to_string()),
        ..Event::new(host, service, ObjectState::Critical, StateType::Soft, 3)
    };
    let claim = Claim {
        job: &job(n),
        event: &event,
        lease: Duration::from_secs(60),
        horizon: Policy::default().horizon(&event),
        observed: None,
    };
    let decide = |_: &_| {
        refuse.clone().map_or(Decision::Repair("httpd".parse().unwrap()), Decision::NoAction)
    };
    let _ = ledger.reserve(&claim, &|| at(seconds), &decide).unwrap();
}

/// Creates a ledger with three repairs and three refusals. Job 1 healed web1/HTTP, job 2 did not
/// heal the host web1, and job 3 is still running for web2/HTTP. Two refusals are for web1/HTTP,
/// one is for web3/HTTP.
fn filled(place: &Place) -> Box<dyn Ledger> {
    let mut ledger = place.open();
    reserve(&mut ledger, 1, ("web1", Some("HTTP")), 10, None);
    for number in 1..=2 {
        let rung = RungStart { number, gate: Some("web1"), deadline: at(20) };
        let now = at(10 + u64::from(number));
        ledger.begin_rung(&job(1), now, &rung, &format!("rung {number} of 2: ssh httpd")).unwrap();
    }
    ledger.finish(&job(1), at(15), RepairOutcome::Healed, "").unwrap();
    reserve(&mut ledger, 2, ("web1", None), 20, None);
    ledger.finish(&job(2), at(25), RepairOutcome::NotHealed, "").unwrap();
    reserve(&mut ledger, 3, ("web2", Some("HTTP")), 30, None);
    reserve(&mut ledger, 4, ("web1", Some("HTTP")), 40, Some(Reason::Flapping));
    reserve(&mut ledger, 5, ("web1", Some("HTTP")), 41, Some(Reason::Flapping));
    reserve(&mut ledger, 6, ("web3", Some("HTTP")), 42, Some(Reason::Acknowledged));
    ledger
}

fn jobs(found: Vec<Record>) -> Vec<u32> {
    found.iter().map(|record| record.job[4..8].parse().unwrap()).collect()
}

#[test]
fn finds_repairs_by_object_time_and_outcome() {
    for place in Place::each() {
        let mut ledger = filled(&place);
        let all = Filter::default();
        let mut ask = |filter: Filter<'_>| jobs(ledger.repairs(&filter).unwrap());
        assert_eq!(ask(all), [3, 2, 1]);
        assert_eq!(ask(Filter { which: Which::Host("web1"), ..all }), [2, 1]);
        assert_eq!(ask(Filter { which: Which::Object("web1", None), ..all }), [2]);
        assert_eq!(ask(Filter { which: Which::Object("web1", Some("HTTP")), ..all }), [1]);
        assert_eq!(ask(Filter { which: Which::Host("web1' OR 1=1 --"), ..all }), [0; 0]);
        assert_eq!(ask(Filter { since: Some(at(20)), until: Some(at(30)), ..all }), [2]);
        assert_eq!(ask(Filter { limit: Some(2), ..all }), [3, 2]);
        let mut in_state = |states: &[RepairState]| ask(Filter { states, ..all });
        let [healed, not_healed, unknown] =
            [RepairOutcome::Healed, RepairOutcome::NotHealed, RepairOutcome::Unknown]
                .map(RepairState::Ended);
        assert_eq!(in_state(&[RepairState::Running]), [3]);
        assert_eq!(in_state(&[healed]), [1]);
        assert_eq!(in_state(&[unknown]), [0; 0]);
        assert_eq!(in_state(&[not_healed, unknown]), [2]);
        assert_eq!(in_state(&[healed, RepairState::Running]), [3, 1]);
    }
}

#[test]
fn returns_last_rung_and_problem_of_repair() {
    for place in Place::each() {
        let records = filled(&place).records(10).unwrap();
        assert_eq!(records.iter().map(|record| record.rungs).collect::<Vec<_>>(), [0, 0, 2]);
        assert_eq!(records[2].problem.as_deref(), Some("1"));
    }
}

#[test]
fn finds_job_by_prefix_of_its_id() {
    for place in Place::each() {
        let mut ledger = filled(&place);
        assert_eq!(jobs(ledger.jobs("job-0002").unwrap()), [2]);
        assert_eq!(jobs(ledger.jobs("job-").unwrap()), [3, 2, 1]);
        for hostile in ["*", "job-000?", "[j]ob", "' OR 1=1 --", "jöb"] {
            assert_eq!(ledger.jobs(hostile).unwrap(), [], "{hostile}");
        }
    }
}

#[test]
fn lists_and_counts_refusals() {
    for place in Place::each() {
        let mut ledger = filled(&place);
        let all = Filter::default();
        let listed = ledger.refused(&Filter { limit: Some(2), ..all }).unwrap();
        assert_eq!(
            listed.iter().map(|refusal| refusal.reason.as_str()).collect::<Vec<_>>(),
            ["acknowledged", "flapping"]
        );
        assert_eq!(listed[0].event, "CRITICAL;SOFT;3");
        let totals = ledger.refusal_totals(&all, Some(ReasonCode::Flapping)).unwrap();
        let reasons: Vec<(&str, u32)> =
            totals.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(reasons, [("flapping", 2), ("acknowledged", 1)]);
        let [web1] = &totals.objects[..] else { panic!("{totals:?}") };
        assert_eq!((web1.host.as_str(), web1.reason.as_str(), web1.count), ("web1", "flapping", 2));
        assert_eq!((web1.first, web1.last), (at(40), at(41)));
        let mut number = |filter: Filter<'_>| ledger.count_refused(&filter).unwrap();
        assert_eq!(number(Filter { which: Which::Host("web3"), ..all }), 1);
        assert_eq!(number(Filter { which: Which::Object("web1", Some("HTTP")), ..all }), 2);
        assert_eq!(number(Filter { since: Some(at(42)), ..all }), 1);
        assert_eq!(number(Filter { since: Some(at(43)), ..all }), 0);
    }
}

#[test]
fn shows_damaged_text_but_does_not_decide_on_it() {
    let dir = Place::new();
    let mut ledger = filled(&dir);
    let store = rusqlite::Connection::open(dir.path()).unwrap();
    let damage =
        "UPDATE repair SET job = CAST(x'6a6f622d30303039e9' AS TEXT), host = x'77e9', text = CAST(x'ff' AS TEXT) \
                      WHERE job = 'job-0003-x';
                  UPDATE step SET text = CAST(x'fe' AS TEXT);
                  UPDATE refusal SET service = x'48e9', text = CAST(x'ff' AS TEXT) \
                  WHERE job = 'job-0006-x';
                  INSERT INTO pause VALUES (x'77656239', x'', CAST(x'e9' AS TEXT), CAST(x'e9' AS TEXT), \
                  0, NULL);";
    store.execute_batch(damage).unwrap();
    let all = Filter::default();
    let shown = ledger.repairs(&all).unwrap();
    assert_eq!(
        (shown.len(), shown[0].host.as_str(), shown[0].text.as_str()),
        (3, r"w\xE9", "\u{fffd}")
    );
    assert_eq!(ledger.jobs("job-").unwrap().len(), 3);
    assert_eq!(ledger.steps(&job(1)).unwrap()[1].text, "\u{fffd}");
    assert_eq!(ledger.refused(&all).unwrap()[0].service.as_deref(), Some(r"H\xE9"));
    let totals = ledger.refusal_totals(&all, Some(ReasonCode::Acknowledged)).unwrap();
    assert_eq!((totals.reasons.len(), totals.objects.len()), (2, 1));
    assert_eq!(ledger.pauses(at(0)).unwrap()[0].reason, "\u{fffd}");
    // Reading the running repair fails, because its job ID and text are damaged and decisions
    // depend on it.
    assert!(ledger.running().is_err() && ledger.abandoned("web1").is_err());
    let event = Event::new("web9", None, ObjectState::Critical, StateType::Hard, 3);
    assert!(ledger.history(&event, &Policy::default().horizon(&event), at(50)).is_err());
}
