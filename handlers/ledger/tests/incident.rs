//! Tests that the ledger reads an incident back to its start, no matter how many records there are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, SystemTime};

use common::{EndedRepair, HOUR, Place, at, code, event, job, policy, reserve};
use ledger::{Claim, Ledger, RepairOutcome, Reset};
use policy::{
    Decision, Limits, PastOutcome, PastRepair, Quota, Reason, RecordedHistory, within_limits,
};
use proptest::prelude::*;

const MINUTE: u64 = 60;

fn refuse(ledger: &mut Box<dyn Ledger>, n: u32, problem: &str, now: SystemTime) {
    let (job, event) = (job(n), event("web1", problem, 4));
    let lease = Duration::ZERO;
    let horizon = policy().horizon(&event);
    let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
    let refused = ledger.reserve(&claim, &|| now, &|_| Decision::NoAction(Reason::Flapping));
    assert!(refused.unwrap().is_err());
}

/// Opens the breaker with three ineffective repairs. Returns a time just after the last of them, in
/// seconds.
fn open_breaker(ledger: &mut Box<dyn Ledger>) -> u64 {
    for n in 0..3 {
        let began = at(u64::from(n) * 15 * MINUTE);
        let problem = n.to_string();
        assert_eq!(code(reserve(ledger, n, &event("web1", &problem, 4), began)), "repair");
        ledger.finish(&job(n), began, RepairOutcome::NotHealed, "").unwrap();
    }
    45 * MINUTE
}

#[test]
fn breaker_stays_open_over_many_refusals() {
    for place in Place::each() {
        let mut ledger = place.open();
        let mut now = open_breaker(&mut ledger);
        for n in 10..1_600 {
            refuse(&mut ledger, n, "9", at(now));
            now += MINUTE;
        }
        assert_eq!(
            code(reserve(&mut ledger, 9_000, &event("web1", "9", 4), at(now))),
            "breaker-open",
            "after 1,590 refusals in {} hours",
            now / 3600
        );
        // An hour without a fault ends the incident.
        now += 61 * MINUTE;
        assert_eq!(code(reserve(&mut ledger, 9_001, &event("web1", "10", 4), at(now))), "repair");
    }
}

#[test]
fn reset_closes_only_breakers_that_it_covers() {
    for (service, host, wanted) in [
        (Some("HTTP"), "web1", "repair"),
        (None, "web1", "repair"),
        (Some("Disk"), "web1", "same-event"),
        (Some("HTTP"), "web2", "same-event"),
    ] {
        for place in Place::each() {
            let mut ledger = place.open();
            let now = open_breaker(&mut ledger);
            // The sweep offers the event of the last repair again.
            let again = event("web1", "2", 4);
            assert_eq!(code(reserve(&mut ledger, 8_000, &again, at(now))), "same-event");
            let reset = Reset {
                at: at(now + 1),
                host: host.into(),
                service: service.map(str::to_owned),
                by: "alice".into(),
                reason: "the disk is replaced".into(),
            };
            ledger.reset(&reset).unwrap();
            assert_eq!(code(reserve(&mut ledger, 8_001, &again, at(now + 2))), wanted);
            let covers = ledger.last_reset(&again, at(now + 2)).unwrap();
            assert_eq!(covers, (wanted == "repair").then_some(reset));
        }
    }
}

#[test]
fn ignores_reset_in_the_future() {
    for place in Place::each() {
        let mut ledger = place.open();
        let now = open_breaker(&mut ledger);
        let (host, by, reason) = ("web1".to_owned(), "alice".to_owned(), "x".to_owned());
        let tomorrow = at(now + 24 * 3600);
        ledger.reset(&Reset { at: tomorrow, host, service: None, by, reason }).unwrap();
        let next = event("web1", "9", 4);
        assert_eq!(code(reserve(&mut ledger, 8_000, &next, at(now))), "breaker-open");
        assert_eq!(ledger.last_reset(&next, at(now)).unwrap(), None);
    }
}

#[test]
fn reset_does_not_end_cooldown() {
    for place in Place::each() {
        let mut ledger = place.open();
        assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "1", 4), at(0))), "repair");
        ledger.finish(&job(1), at(5), RepairOutcome::NotHealed, "").unwrap();
        let (host, by, reason) = ("web1".to_owned(), "alice".to_owned(), "x".to_owned());
        ledger.reset(&Reset { at: at(6), host, service: None, by, reason }).unwrap();
        assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "1", 5), at(7))), "cooling-down");
    }
}

/// A sign of trouble. It holds the minutes since the previous sign and, for a repair, its duration
/// in minutes and its outcome. `None` stands for a refusal.
type Sign = (u64, Option<(u64, RepairOutcome)>);

fn signs() -> impl Strategy<Value = Vec<Sign>> {
    use RepairOutcome::{CouldNotRun, Healed, NotHealed};
    let outcome = prop::sample::select(vec![Healed, NotHealed, CouldNotRun]);
    prop::collection::vec((0..50u64, prop::option::of((0..5u64, outcome))), 0..40)
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..20u64, 1..6u32, 1..600u64, 0..40u64, 1..4u32, 1..60u64).prop_map(
        |(cooldown, per_incident, per, relapse, breaker, healthy_for)| Limits {
            cooldown: minutes(cooldown),
            per_incident,
            window: Quota { count: 5, per: minutes(per) },
            relapse: minutes(relapse),
            breaker,
            healthy_for: minutes(healthy_for),
        },
    )
}

/// Records the signs of trouble in the ledger. Returns the complete history as of `quiet` minutes
/// after the last sign, and the time for which this history was read.
fn record(
    ledger: &mut Box<dyn Ledger>,
    signs: &[Sign],
    quiet: u64,
) -> (RecordedHistory, SystemTime) {
    let (mut minute, mut seen) = (0, Vec::new());
    for (n, (gap, repair)) in (0..).zip(signs) {
        minute += gap;
        let began = at(minute * MINUTE);
        if let Some((took, outcome)) = repair {
            let (job, event) = (job(n), event("web1", "1", n));
            let (lease, horizon) = (HOUR, policy().horizon(&event));
            let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
            let repair = Decision::Repair("httpd".parse().unwrap());
            ledger.reserve(&claim, &|| began, &|_| repair.clone()).unwrap().unwrap();
            minute += took;
            ledger.finish(&job, at(minute * MINUTE), *outcome, "").unwrap();
            seen.push((began, Some((at(minute * MINUTE), *outcome))));
        } else {
            refuse(ledger, n, "1", began);
            seen.push((began, None));
        }
    }
    let now = at((minute + quiet) * MINUTE + 1);
    let age = |then: SystemTime| now.duration_since(then).unwrap();
    let mut all = RecordedHistory::default();
    for (began, repair) in seen.into_iter().rev() {
        let Some((ended, outcome)) = repair else {
            all.refused.push(age(began).into());
            continue;
        };
        let outcome = match outcome {
            RepairOutcome::Healed => PastOutcome::Healed,
            RepairOutcome::CouldNotRun => PastOutcome::NotRun,
            RepairOutcome::NotHealed | RepairOutcome::Unknown => PastOutcome::Failed,
        };
        let (began, ended) = (age(began), age(ended));
        all.repairs.push(PastRepair { job: String::new(), began, ended, outcome });
    }
    (all, now)
}

/// Checks that the ledger decides as if it had read the whole history.
fn check(place: &Place, signs: &[Sign], limits: Limits, quiet: u64) -> Result<(), TestCaseError> {
    let mut ledger = place.open();
    let (all, now) = record(&mut ledger, signs, quiet);
    let mut rules = policy();
    rules.repairs.values_mut().for_each(|one| one.limits = limits);
    let asked = event("web1", "2", 4);
    let read = ledger.history(&asked, &rules.horizon(&asked), now).unwrap();
    let decided = |history: &RecordedHistory| {
        let reason = within_limits(&limits, history).err();
        let left = reason.as_ref().and_then(Reason::retry_after);
        let counts = (history.spent(&limits), history.ineffective(&limits));
        (reason.map(|why| why.code()), left, counts)
    };
    prop_assert_eq!(decided(&read), decided(&all));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn decides_as_if_it_had_read_the_whole_history(
        signs in signs(), limits in limits(), quiet in 0..90u64
    ) {
        check(&Place::new(), &signs, limits, quiet)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn decides_in_postgres_as_if_it_had_read_the_whole_history(
        signs in signs(), limits in limits(), quiet in 0..90u64
    ) {
        check(&Place::postgres(), &signs, limits, quiet)?;
    }
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * MINUTE)
}

/// Inserts repairs of web1/HTTP directly into the database, one every ten minutes up to `at(0)`.
fn fill(place: &Place, repairs: u64, outcome: RepairOutcome) {
    place.add_repairs((0..repairs).map(|n| {
        let ended = 1_700_000_000_000 - n * 600_000;
        let (job, host) = (format!("job-{n}"), "web1".to_owned());
        EndedRepair { job, host, reserved: ended - 1000, ended, outcome: outcome.as_str() }
    }));
}

#[test]
fn reads_no_more_repairs_than_an_open_breaker_needs() {
    for (outcome, read) in [
        (RepairOutcome::NotHealed, 103),
        (RepairOutcome::Healed, 103),
        (RepairOutcome::CouldNotRun, 700),
    ] {
        for place in Place::each() {
            let mut ledger = place.open();
            fill(&place, 700, outcome);
            let event = event("web1", "9", 4);
            let history = ledger.history(&event, &policy().horizon(&event), at(60)).unwrap();
            // Repairs that could not run never open the breaker, so all repairs in the incident are
            // read.
            assert_eq!(history.repairs.len(), read, "{outcome:?}");
        }
    }
}

#[test]
fn old_refusals_count_no_more_even_before_they_are_deleted() {
    for place in Place::each() {
        let mut ledger = place.open();
        let mut now = open_breaker(&mut ledger);
        let horizon = policy().horizon(&event("web1", "9", 4));
        let spent = |ledger: &mut Box<dyn Ledger>, now| {
            ledger
                .history(&event("web1", "9", 4), &horizon, at(now))
                .unwrap()
                .spent(&horizon.limits)
        };
        let times = (0..91 * 24 * 2).map(|n| (1_700_000_000 + now + n * 30 * MINUTE) * 1000);
        place.add_refusals(times.map(|at| ("web1", at, "")));
        now += 91 * 24 * 3600;
        assert_eq!(spent(&mut ledger, now - 2 * 24 * 3600), 3, "within 90 days");
        assert_eq!(spent(&mut ledger, now), 0);
    }
}
