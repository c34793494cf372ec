//! Tests that the work for an event does not grow with the ledger.
//!
//! SQLite reports each statement that it runs, so a new query is tested even if it is not listed
//! here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use policy::{Decision, Reason};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};
use tempfile::TempDir;

use super::SqliteLedger;
use crate::Ledger;
use crate::per_event::{DAY, PER_EVENT, event, policy, reserve};

/// Statements that fill the tables with records up to the time `?1`. The object busy/HTTP gets `?2`
/// repairs, one every 26 minutes, and twice as many refusals. All other objects together get ten
/// times as many repairs and refusals. The object lasting/HTTP has one incident, with three repairs
/// at its start, and then `?2` refusals, one every nine minutes.
const FILL: &[&str] = &[
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11 * ?2)
     INSERT INTO repair SELECT 'job-' || i, 'main', '',
        CAST(iif(i % 11, 'host' || i % 97, 'busy') AS BLOB), CAST('HTTP' AS BLOB), 'httpd', i,
        'CRITICAL;HARD;4', ?1 - i * 141818, ?1 - i * 141818 + 1000, 1, NULL, NULL,
        iif(i IN (1, 2, 3), NULL, ?1 - i * 141818 + 1000),
        iif(i IN (1, 2, 3), NULL, iif(i % 7, 'healed', 'not-healed')), ''
        FROM n",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 22 * ?2)
     INSERT INTO refusal (at, job, site, server, host, service, event, reason, text, gap)
        SELECT ?1 - i * 70909, 'no-' || i, 'main', '',
        CAST(iif(i % 11, 'host' || i % 97, 'busy') AS BLOB), CAST('HTTP' AS BLOB), '',
        'cooling-down', '', 780000 FROM n WHERE ?2",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
     INSERT INTO refusal (at, job, site, server, host, service, event, reason, text, gap)
        SELECT ?1 - i * 540000, 'lasts-' || i, 'main', '', CAST('lasting' AS BLOB),
        CAST('HTTP' AS BLOB), '', 'breaker-open', '', iif(i < ?2, 540000, NULL) FROM n",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
     INSERT INTO repair SELECT 'lasts-' || i, 'main', '', CAST('lasting' AS BLOB),
        CAST('HTTP' AS BLOB), 'httpd', '', '', ?1 - (?2 + i) * 540000, 0, 1, NULL, NULL,
        ?1 - (?2 + i) * 540000 + 1000, 'not-healed', '' FROM n",
    "INSERT INTO step (job, at, kind, rung, text) SELECT job, reserved, 'begun', 1, '' FROM repair
        WHERE ?1 AND ?2",
    "INSERT INTO reset (at, host, service, by_whom, reason)
        SELECT reserved - 100 * 86400000, host, service, 'ann', '' FROM repair WHERE ?1 AND ?2",
    "INSERT OR IGNORE INTO pause SELECT CAST(host || '.paused' AS BLOB), service, 'ann', '', ?1,
        NULL FROM repair WHERE ?2",
];

fn filled(repairs: u32, now: SystemTime) -> (TempDir, SqliteLedger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&directory.path().join("ledger.sqlite")).unwrap();
    for sql in FILL {
        ledger.store.execute(sql, (crate::value::millis(now), repairs)).unwrap();
    }
    (directory, ledger)
}

/// For each method, the statements that it ran and the cost of each statement: the number of
/// instructions that SQLite's virtual machine executed, plus one for each run.
type Seen = BTreeMap<&'static str, BTreeMap<String, i64>>;

/// Calls every method with an object of `host`, and returns the statements that SQLite ran.
fn run(ledger: &mut SqliteLedger, host: &str, now: SystemTime) -> Seen {
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let record = Arc::clone(&seen);
    let profile = move |event: TraceEvent<'_>| {
        if let TraceEvent::Profile(statement, _) = event {
            let steps = i64::from(statement.get_status(StatementStatus::VmStep));
            *record.lock().unwrap().entry(statement.sql().into_owned()).or_insert(0) += 1 + steps;
        }
    };
    ledger.store.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(profile)).unwrap();
    let all = PER_EVENT.iter().map(|(method, call)| {
        call(ledger, &event(host), now);
        (*method, std::mem::take(&mut *seen.lock().unwrap()))
    });
    let all = all.collect();
    ledger.store.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();
    all
}

/// Parts of query plans that may read a whole table or index, because it does not grow with the
/// ledger. These are the index of running repairs, the table of pauses, which only admins set, and
/// the table of groups, which no program writes yet.
const BOUNDED: [&str; 3] = ["USING INDEX repair_running", "SCAN pause", "SCAN repair_group"];

/// Returns the lines of a statement's query plan that read a whole table or sort rows.
fn expensive(store: &Connection, sql: &str) -> Vec<String> {
    let mut plan = store.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = plan.raw_query().mapped(|row| row.get::<_, String>(3));
    let is_bounded = |line: &str| BOUNDED.iter().any(|part| line.contains(part));
    let is_expensive = |line: &String| {
        (line.starts_with("SCAN") && !is_bounded(line)) || line.contains("TEMP B-TREE")
    };
    lines.map(Result::unwrap).filter(is_expensive).collect()
}

#[test]
fn no_query_per_event_reads_a_whole_table_or_sorts() {
    let now = SystemTime::now();
    for analyzed in [false, true] {
        let (_directory, mut ledger) = filled(500, now);
        if analyzed {
            ledger.store.execute_batch("ANALYZE").unwrap();
        }
        for (method, statements) in run(&mut ledger, "busy", now) {
            assert!(!statements.is_empty(), "{method} runs no statement");
            for sql in statements.into_keys().filter(|sql| !sql.starts_with("PRAGMA")) {
                let lines = expensive(&ledger.store, &sql);
                assert!(lines.is_empty(), "{method}, analyzed: {analyzed}: {sql}: {lines:?}");
            }
        }
    }
}

#[test]
fn cost_of_an_event_does_not_grow_with_the_ledger() {
    let now = SystemTime::now();
    for host in ["busy", "cold", "lasting"] {
        let [small, large] = [300, 3000].map(|repairs| run(&mut filled(repairs, now).1, host, now));
        for (method, statements) in large {
            let steps = |statements: &BTreeMap<String, i64>| statements.values().sum::<i64>();
            let (before, after) = (steps(&small[method]), steps(&statements));
            assert_eq!(before, after, "{method} of {host}: {statements:#?}");
        }
    }
}

#[test]
fn finds_the_start_of_a_long_incident() {
    let now = SystemTime::now();
    for refusals in [300, 3000] {
        let (_directory, mut ledger) = filled(refusals, now);
        let event = event("lasting");
        let history = ledger.history(&event, &policy().horizon(&event), now).unwrap();
        assert_eq!(history.incident(&policy().horizon(&event).limits).len(), 3);
        assert!(history.refused.len() <= 2, "{:?}", history.refused);
    }
}

#[test]
fn forgotten_repairs_cost_nothing_after_a_few_events() {
    let now = SystemTime::now();
    let [none, many] = [0, 50].map(|forgotten| {
        let (_directory, mut ledger) = filled(300, now);
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= ?2)
            INSERT INTO repair SELECT 'forgotten-' || i, 'main', '', CAST('gone' || i AS BLOB),
            x'', 'httpd', '', '', ?1, ?1, 1, NULL, NULL, NULL, NULL, '' FROM n WHERE i <= ?2";
        let lease = crate::value::millis(now - 2 * DAY);
        ledger.store.execute(sql, (lease, forgotten)).unwrap();
        for _ in 0..5 {
            reserve(&mut ledger, &event("cold"), now, &|_| Decision::NoAction(Reason::Flapping));
        }
        run(&mut ledger, "cold", now)
    });
    for (method, statements) in many {
        let steps = |statements: &BTreeMap<String, i64>| statements.values().sum::<i64>();
        assert_eq!(steps(&none[method]), steps(&statements), "{method}: {statements:#?}");
    }
}
