//! The methods of [`Ledger`] that run for each event. The tests of each store check that these
//! methods do not become slower as the ledger grows. Add each new method of [`Ledger`] to one of
//! the lists below.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use policy::{Decision, Event, JobId, ObjectState, Policy, Reason, Rules, StateType, decide};

use crate::{Claim, Ledger, RepairOutcome, RungStart, StepKind};

/// Methods of [`Ledger`] that are never called for an event.
const FOR_ADMINS: &[&str] = &[
    "each_repair",
    "each_refusal",
    "repairs",
    "refused",
    "count_refused",
    "refusal_totals",
    "jobs",
    "may_be_held_back",
    "unknown_since",
    "pause",
    "resume",
    "reset",
    "records",
    "refusals",
];
/// Methods of [`Ledger`] that run no SQL statement.
const WITHOUT_STORE: &[&str] = &["share_lock", "lock_sweep"];

/// A function that calls one method with the object of an event.
pub(crate) type Call = fn(&mut dyn Ledger, &Event, SystemTime);

/// The methods that a worker or the sweep calls for each event or object.
pub(crate) const PER_EVENT: &[(&str, Call)] = &[
    ("stop_overdue", |ledger, event, _| ledger.stop_overdue(&event.host).unwrap()),
    ("abandoned", |ledger, event, _| drop(ledger.abandoned(&event.host).unwrap())),
    ("running", |ledger, _, _| drop(ledger.running().unwrap())),
    ("pauses", |ledger, _, now| drop(ledger.pauses(now).unwrap())),
    ("fleet", |ledger, _, now| assert!(ledger.fleet(HOUR, now).unwrap().started > 0)),
    ("last_reset", |ledger, event, now| drop(ledger.last_reset(event, now).unwrap())),
    ("repairs_since", |ledger, event, _| {
        drop(ledger.repairs_since(event, SystemTime::UNIX_EPOCH).unwrap());
    }),
    ("last_refusal", |ledger, event, _| {
        drop(ledger.last_refusal(event, SystemTime::UNIX_EPOCH).unwrap());
    }),
    ("history", |ledger, event, now| {
        drop(ledger.history(event, &policy().horizon(event), now).unwrap());
    }),
    ("limits_history", |ledger, event, now| {
        drop(ledger.limits_history(event, &policy().horizon(event), now).unwrap());
    }),
    ("pause_of", |ledger, event, now| drop(ledger.pause_of(event, now).unwrap())),
    ("reserve", |ledger, event, now| {
        reserve(ledger, event, now, &|known| decide(event, &policy(), known));
        reserve(ledger, event, now, &|_| Decision::NoAction(Reason::Flapping));
        reserve(ledger, event, now, &|_| Decision::Repair("httpd".parse().unwrap()));
    }),
    ("repair_of", |ledger, _, _| drop(ledger.repair_of(&job()).unwrap())),
    ("refusal_of", |ledger, _, now| drop(ledger.refusal_of(&job(), now - HOUR).unwrap())),
    ("begin_rung", |ledger, _, now| {
        let rung = RungStart { number: 1, gate: None, deadline: now };
        ledger.begin_rung(&job(), now, &rung, "rung 1 of 1").unwrap();
    }),
    ("step", |ledger, _, now| ledger.step(&job(), now, StepKind::Ran, Some(1), "").unwrap()),
    ("steps", |ledger, _, _| drop(ledger.steps(&job()).unwrap())),
    ("renew", |ledger, _, now| ledger.renew(&job(), now).unwrap()),
    ("finish", |ledger, _, now| ledger.finish(&job(), now, RepairOutcome::Healed, "").unwrap()),
    ("has_ended_as", |ledger, _, _| {
        assert!(ledger.has_ended_as(&job(), RepairOutcome::Healed, "").unwrap());
    }),
    ("expire", |ledger, _, now| assert!(!ledger.expire(Some(400 * DAY), now).unwrap())),
];

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn policy() -> Policy {
    let rules = [("httpd".parse().unwrap(), Rules::with_ladder(vec![]))];
    Policy { repairs: rules.into(), ..Policy::default() }
}

fn job() -> JobId {
    "the-job-of-this-event".parse().unwrap()
}

pub(crate) fn reserve(
    ledger: &mut dyn Ledger,
    event: &Event,
    now: SystemTime,
    decide: &dyn Fn(&policy::History) -> Decision,
) {
    let (lease, horizon) = (HOUR, policy().horizon(event));
    let claim = Claim { job: &job(), event, lease, horizon, observed: None };
    let _ = ledger.reserve(&claim, &|| now, decide).unwrap();
}

pub(crate) fn event(host: &str) -> Event {
    Event {
        problem_id: Some("7".into()),
        repair: Some("httpd".parse().unwrap()),
        ..Event::new(host, Some("HTTP"), ObjectState::Critical, StateType::Hard, 4)
    }
}

#[test]
fn knows_which_methods_run_per_event() {
    let source = include_str!("interface.rs");
    let (_, methods) = source.split_once("pub trait Ledger").unwrap();
    let methods = methods.split("\n    fn ").skip(1);
    let methods: BTreeSet<&str> = methods.map(|rest| rest.split_once('(').unwrap().0).collect();
    let per_event = PER_EVENT.iter().map(|(method, _)| method);
    let known = per_event.chain(FOR_ADMINS).chain(WITHOUT_STORE).copied().collect();
    assert_eq!(methods, known, "add a new method to one of the lists in per_event.rs");
}
