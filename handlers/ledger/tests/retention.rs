//! Tests that records expire in batches, and that the file then shrinks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use common::{Place, at, code, event, job, policy, reserve};
use ledger::{Claim, Error, Filter, Ledger, RepairOutcome, StepKind};
use policy::{Decision, Reason};
use rusqlite::Connection;

const DAY: u64 = 24 * 3600;

/// Inserts refusals directly into the database, one per second, starting at `at(0)`.
fn fill(place: &Place, refusals: u32) {
    let store = Connection::open(place.path()).unwrap();
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO refusal (at, job, site, server, host, service, event, reason, text)
        SELECT 1700000000000 + i * 1000, 'old-' || i, 'main', '', x'77', x'', '', 'flapping',
            printf('%.300c', 'x') FROM n";
    store.execute(sql, [refusals]).unwrap();
}

fn refuse(ledger: &mut dyn Ledger, n: u32, now: SystemTime) {
    let (job, event) = (job(n), event("web1", "1", 4));
    let (lease, horizon) = (Duration::ZERO, policy().horizon(&event));
    let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
    ledger
        .reserve(&claim, &|| now, &|_| Decision::NoAction(Reason::Flapping))
        .unwrap()
        .unwrap_err();
}

fn refusals(ledger: &mut dyn Ledger) -> usize {
    ledger.refused(&Filter::default()).unwrap().len()
}

#[test]
fn refusal_deletes_only_a_few_expired_ones() {
    let place = Place::new();
    let mut ledger = place.open();
    fill(&place, 20);
    refuse(ledger.as_mut(), 0, at(80 * DAY));
    for (n, left) in [(1, 18), (2, 15), (3, 12)] {
        refuse(ledger.as_mut(), n, at(91 * DAY));
        assert_eq!(refusals(ledger.as_mut()), left);
    }
}

#[test]
fn deletes_expired_refusals_in_batches_and_shrinks_the_file() {
    let place = Place::new();
    let mut ledger = place.open();
    fill(&place, 20_000);
    let pages = |place: &Place| -> u32 {
        let store = Connection::open(place.path()).unwrap();
        store.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    let before = pages(&place);
    refuse(ledger.as_mut(), 1, at(80 * DAY));
    assert!(!ledger.expire(None, at(90 * DAY)).unwrap());
    assert_eq!(refusals(ledger.as_mut()), 20_001);
    let now = at(90 * DAY + 15_000);
    assert!(ledger.expire(None, now).unwrap());
    assert_eq!(refusals(ledger.as_mut()), 19_501, "after one batch");
    while ledger.expire(None, now).unwrap() {}
    assert_eq!(refusals(ledger.as_mut()), 5_002);
    let after = pages(&place);
    assert!(after * 3 < before, "{after} of {before} pages are left");
}

#[test]
fn deletes_expired_refusals_in_batches_from_postgres() {
    let place = Place::postgres();
    let mut ledger = place.open();
    place.add_refusals((0..1200).map(|n| ("web1", 1_700_000_000_000 + n * 1000, "")));
    refuse(ledger.as_mut(), 1, at(80 * DAY));
    assert!(!ledger.expire(None, at(90 * DAY)).unwrap());
    let now = at(90 * DAY + 1000);
    assert!(ledger.expire(None, now).unwrap());
    assert_eq!(refusals(ledger.as_mut()), 701, "after one batch");
    while ledger.expire(None, now).unwrap() {}
    assert_eq!(refusals(ledger.as_mut()), 201);
}

#[test]
fn keeps_repairs_forever_unless_told_otherwise() {
    for place in Place::each() {
        let mut ledger = place.open();
        for (n, host, ended) in [(1, "web1", 10), (2, "web2", 30)] {
            assert_eq!(code(reserve(&mut ledger, n, &event(host, "1", 4), at(0))), "repair");
            ledger.step(&job(n), at(1), StepKind::Evidence, None, "disk full").unwrap();
            ledger.finish(&job(n), at(ended), RepairOutcome::Healed, "").unwrap();
        }
        // A repair without a recorded end never expires.
        assert_eq!(code(reserve(&mut ledger, 3, &event("web3", "1", 4), at(0))), "repair");
        let now = at(400 * DAY + 20);
        refuse(ledger.as_mut(), 4, at(390 * DAY));
        assert!(!ledger.expire(None, now).unwrap());
        assert_eq!(ledger.records(9).unwrap().len(), 3);
        assert!(!ledger.expire(Some(Duration::from_secs(400 * DAY)), now).unwrap());
        let left: Vec<String> =
            ledger.records(9).unwrap().into_iter().map(|record| record.host).collect();
        assert_eq!(left, ["web3", "web2"]);
        assert!(ledger.steps(&job(1)).unwrap().is_empty());
        assert_eq!(ledger.steps(&job(2)).unwrap().len(), 1);
    }
}

#[test]
fn deletes_nothing_after_the_clock_has_jumped_ahead() {
    for place in Place::each() {
        let mut ledger = place.open();
        assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "1", 4), at(0))), "repair");
        ledger.finish(&job(1), at(1), RepairOutcome::Healed, "").unwrap();
        place.add_refusals((0..20).map(|n| ("web1", 1_700_000_000_000 + n * 1000, "")));
        let keep = Some(Duration::from_secs(200 * DAY));
        let jumped = at(1000 * DAY);
        let left = |ledger: &mut dyn Ledger| (ledger.records(9).unwrap().len(), refusals(ledger));
        assert!(!ledger.expire(keep, jumped).unwrap());
        assert_eq!(left(ledger.as_mut()), (1, 20));
        // New records have the wrong time, too, so they do not show that the clock is right.
        refuse(ledger.as_mut(), 2, jumped);
        refuse(ledger.as_mut(), 3, jumped);
        assert!(!ledger.expire(keep, jumped + Duration::from_secs(DAY - 1)).unwrap());
        assert_eq!(left(ledger.as_mut()), (1, 22));
        // After a day, the ledger accepts the new time.
        assert!(!ledger.expire(keep, jumped + Duration::from_secs(DAY)).unwrap());
        assert_eq!(left(ledger.as_mut()), (0, 2));
    }
}

/// Creates a ledger whose file cannot shrink, like one from an older version.
fn older() -> Place {
    let place = Place::new();
    drop(place.open());
    fill(&place, 1000);
    let store = Connection::open(place.path()).unwrap();
    store.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").unwrap();
    place
}

#[test]
fn rewrites_ledger_of_older_version_once() {
    let place = older();
    assert!(ledger::compact(&place.path()).unwrap());
    assert!(!ledger::compact(&place.path()).unwrap());
    assert_eq!(refusals(place.open().as_mut()), 1000);
    assert!(!ledger::compact(&Place::new().path()).unwrap(), "a new ledger can shrink");
}

#[test]
fn does_not_rewrite_ledger_while_worker_is_running() {
    let place = older();
    let jobs = place.path().with_added_extension("jobs");
    fs::create_dir(&jobs).unwrap();
    let worker = File::create(jobs.join("test-job-0001")).unwrap();
    worker.lock().unwrap();
    let refused = ledger::compact(&place.path()).unwrap_err();
    assert!(matches!(&refused, Error::InUse { job, .. } if job == "test-job-0001"), "{refused}");
    drop(worker);
    assert!(ledger::compact(&place.path()).unwrap());
}
