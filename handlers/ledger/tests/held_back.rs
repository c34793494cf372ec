//! Tests that `held_back` finds exactly the objects that have reached a limit, although it reads
//! the history of only a few objects.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, SystemTime};

use common::{EndedRepair, HOUR, Place, event};
use ledger::{Ledger, held_back};
use policy::{Limits, Policy, Quota, Rules, within_limits};
use proptest::prelude::*;

/// Unit of the times in these tests: ten minutes, in milliseconds. A history of 400 units reaches
/// beyond the default window, which is taken into account even if no repair in the policy uses it.
const UNIT: u64 = 600_000;
/// The current time, in milliseconds since 1970.
const NOW: u64 = 1_700_000_000_000;

/// Records of one object. A time is a number of [`UNIT`]s before [`NOW`].
#[derive(Debug, Clone)]
struct Past {
    /// Start of each repair, its duration in [`UNIT`]s, and whether it healed the fault.
    repairs: Vec<(u64, u64, bool)>,
    refusals: Vec<u64>,
}

fn past() -> impl Strategy<Value = Past> {
    let repairs = prop::collection::vec((0..400_u64, 1..20_u64, any::<bool>()), 0..5);
    let refusals = prop::collection::vec(0..400_u64, 0..25);
    (repairs, refusals).prop_map(|(repairs, refusals)| Past { repairs, refusals })
}

fn policy(window: u64, healthy_for: u64, [per_incident, breaker, count]: [u32; 3]) -> Policy {
    let units = |n| Duration::from_millis(n * UNIT);
    let mut rules = Rules::with_ladder(vec![]);
    rules.limits = Limits {
        per_incident,
        breaker,
        window: Quota { count, per: units(window) },
        healthy_for: units(healthy_for),
        ..rules.limits
    };
    Policy { repairs: [("httpd".parse().unwrap(), rules)].into(), ..Policy::default() }
}

fn fill(place: &Place, objects: &[Past]) {
    let before = |units: u64| NOW - units * UNIT;
    let hosts: Vec<String> = (0..objects.len()).map(|n| format!("web{n}")).collect();
    place.add_repairs(hosts.iter().zip(objects).flat_map(|(host, past)| {
        past.repairs.iter().enumerate().map(move |(n, (began, took, healed))| EndedRepair {
            job: format!("job-{host}-{n}"),
            host: host.clone(),
            reserved: before(*began),
            ended: before(began.saturating_sub(*took)),
            outcome: if *healed { "healed" } else { "not-healed" },
        })
    }));
    place.add_refusals(hosts.iter().zip(objects).flat_map(|(host, past)| {
        past.refusals.iter().map(move |at| (host.as_str(), before(*at), ""))
    }));
}

/// Reads the history of every object, and returns the objects that have reached a limit.
fn all_at_limits(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    now: SystemTime,
    objects: &[Past],
) -> Vec<(String, String)> {
    let hosts = objects.iter().enumerate().filter(|(_, past)| !past.repairs.is_empty());
    let mut held: Vec<(String, String)> = hosts
        .filter_map(|(n, _)| {
            let event = event(&format!("web{n}"), "1", 1);
            let horizon = policy.horizon(&event);
            let limits = Limits { cooldown: Duration::ZERO, ..horizon.limits };
            let history = ledger.history(&event, &horizon, now).unwrap();
            let reason = within_limits(&limits, &history).err()?;
            Some((format!("web{n}/HTTP"), reason.to_string()))
        })
        .collect();
    held.sort();
    held
}

/// Checks that the ledger finds the objects that have reached a limit, and no others.
fn check(place: &Place, objects: &[Past], policy: &Policy) -> Result<(), TestCaseError> {
    let mut ledger = place.open();
    fill(place, objects);
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW);
    let found = held_back(ledger.as_mut(), policy, now).unwrap();
    let mut found: Vec<(String, String)> =
        found.iter().map(|held| (held.object(), held.reason.to_string())).collect();
    found.sort();
    prop_assert_eq!(found, all_at_limits(ledger.as_mut(), policy, now, objects));
    Ok(())
}

/// Generates test cases. Each consists of objects, the budget's window, `healthy_for`, and how many
/// repairs the three limits allow.
fn cases() -> impl Strategy<Value = (Vec<Past>, u64, u64, [u32; 3])> {
    let objects = prop::collection::vec(past(), 8);
    (objects, 30..300_u64, 10..120_u64, [1..5_u32, 1..5_u32, 1..5_u32])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn finds_every_object_at_a_limit((objects, window, healthy_for, counts) in cases()) {
        check(&Place::new(), &objects, &policy(window, healthy_for, counts))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn finds_every_object_at_a_limit_in_postgres(
        (objects, window, healthy_for, counts) in cases()
    ) {
        check(&Place::postgres(), &objects, &policy(window, healthy_for, counts))?;
    }
}

/// Refusals keep the incident open long after its last repair.
#[test]
fn finds_open_breaker_of_incident_older_than_the_window() {
    for place in Place::each() {
        let mut ledger = place.open();
        let past = Past {
            repairs: vec![(300, 1, false), (320, 1, false), (340, 1, false)],
            refusals: (0..30).map(|n| n * 10 + 5).collect(),
        };
        fill(&place, std::slice::from_ref(&past));
        let policy = policy(60, 20, [9, 3, 9]);
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW);
        let held = |ledger: &mut dyn Ledger, now| held_back(ledger, &policy, now).unwrap().len();
        assert_eq!(held(ledger.as_mut(), now), 1);
        assert_eq!(held(ledger.as_mut(), now + 4 * HOUR), 0);
    }
}

/// The incident has only one recent repair. Its other repairs are older than the window.
#[test]
fn finds_open_breaker_of_incident_that_refusals_connect() {
    for place in Place::each() {
        let mut ledger = place.open();
        let past = Past {
            repairs: vec![(15, 1, false), (161, 1, false), (176, 1, false)],
            refusals: (0..9).map(|n| n * 15 + 25).collect(),
        };
        fill(&place, std::slice::from_ref(&past));
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW);
        let held = held_back(ledger.as_mut(), &policy(120, 20, [9, 3, 9]), now).unwrap();
        assert_eq!(held.len(), 1);
    }
}
