//! An event storm. A thousand services become CRITICAL at the same time, Nagios calls a thousand
//! handlers, and the fleet limits must hold.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod fleet;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use e2e::until;
use fleet::{Fleet, HOSTS, SERVICES};
use ledger::{RecordedReason, RepairOutcome};
use policy::ReasonCode;

/// How many repairs the policy allows to run at the same time.
const CAP: u32 = 5;
const ALL: usize = HOSTS * SERVICES;

#[test]
fn limits_a_thousand_faults_and_sweeps_the_rest() {
    let fleet = Fleet::start(CAP);
    fleet.break_everything();
    until("a thousand calls", Duration::from_secs(60), || {
        (fleet.calls("CRITICAL;HARD;1") == ALL).then_some(())
    });
    until("an answer to each of them", Duration::from_secs(120), || {
        (answered(&fleet) == ALL).then_some(())
    });
    assert_every_refusal_has_a_reason(&fleet);
    until("the end of all running repairs", Duration::from_secs(60), || {
        fleet.monitor.records().iter().all(|record| record.outcome.is_some()).then_some(())
    });
    let at_once = fleet.monitor.records().len();
    assert!((1..ALL / 2).contains(&at_once), "{at_once} were repaired by the handlers alone");
    assert!(fleet.most_at_once() <= CAP, "{} repairs ran at once", fleet.most_at_once());

    // Nagios' status file lags behind, so it can miss the last faults and still show healed ones.
    // Sweep again until nothing is left.
    let swept = until("a sweep that finds nothing", Duration::from_secs(300), || {
        let seen = fleet.sweep();
        assert!(!seen.contains("not healed"), "{seen}");
        seen.contains("no object with a repair has a HARD problem").then_some(seen)
    });
    assert!(fleet.most_at_once() <= CAP, "{} repairs ran at once: {swept}", fleet.most_at_once());
    until("everything OK in Nagios", Duration::from_secs(30), || {
        (fleet.broken() == 0).then_some(())
    });
    assert_each_service_was_repaired_once(&fleet);
}

/// Returns the number of calls that have led to a repair or a refusal.
fn answered(fleet: &Fleet) -> usize {
    fleet.monitor.records().len() + fleet.monitor.refusals().len()
}

/// Checks that each service was either repaired or refused because of a shared limit. A worker that
/// gave up waiting for the ledger's lock would record neither a repair nor a refusal.
fn assert_every_refusal_has_a_reason(fleet: &Fleet) {
    let mut reasons: HashMap<RecordedReason, usize> = HashMap::new();
    let mut objects = HashSet::new();
    for refusal in fleet.monitor.refusals() {
        *reasons.entry(refusal.reason).or_default() += 1;
        objects.insert((refusal.host, refusal.service));
    }
    for record in fleet.monitor.records() {
        objects.insert((record.host, record.service));
    }
    assert_eq!(objects.len(), ALL, "{reasons:?}");
    assert!(
        reasons.keys().all(|why| why.code().is_some_and(ReasonCode::is_shared_limit)),
        "{reasons:?}"
    );
    assert!(reasons.keys().any(|why| why.code() == Some(ReasonCode::FleetRunning)), "{reasons:?}");
}

/// Checks the ledger and the gates' own records.
fn assert_each_service_was_repaired_once(fleet: &Fleet) {
    let mut all = fleet.all_records();
    all.retain(|record| record.outcome == Some(RepairOutcome::Healed));
    let objects: HashSet<_> = all.iter().map(|record| (&record.host, &record.service)).collect();
    assert_eq!((all.len(), objects.len()), (ALL, ALL));
    assert_eq!(fleet.jobs().len(), ALL);
}
