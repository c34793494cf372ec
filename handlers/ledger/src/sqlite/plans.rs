//! Tests the plans of the queries for `check_repairs`, `status`, `history` and `show`. SQLite must
//! find the rows through an index, and must not read more rows when the ledger has grown.

use rusqlite::{Connection, StatementStatus, ToSql, params_from_iter};

use super::SqliteLedger;
use super::overview::{MAY_BE_HELD_BACK, ended_since};
use super::search::jobs;
use crate::search::{Dialect, Search};
use crate::{Filter, RepairOutcome, RepairState, Which};

const HOUR: i64 = 3_600_000;

/// Adds repairs and refusals, each an hour older than the previous one. The newest is `first` hours
/// old.
fn fill(store: &Connection, first: i64, count: i64) {
    let sql = "WITH RECURSIVE n (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM n LIMIT ?2) \
        INSERT INTO repair SELECT format('%08x-job', 1000000 - n), '', '', \
            CAST('web' || n % 10 AS BLOB), CAST('HTTP' AS BLOB), 'httpd', '', '', \
            (1000000 - n) * ?3, (1000000 - n) * ?3, 1, NULL, NULL, (1000000 - n) * ?3 + 1, \
            'healed', '' FROM n";
    store.execute(sql, [first, count, HOUR]).unwrap();
    let sql = "INSERT INTO refusal (at, job, site, server, host, service, event, reason, text) \
        SELECT reserved + 2, job, '', '', host, service, '', 'flapping', '' FROM repair \
        WHERE reserved <= (1000000 - ?1) * ?2";
    store.execute(sql, [first, HOUR]).unwrap();
}

fn open(dir: &tempfile::TempDir) -> SqliteLedger {
    let ledger = SqliteLedger::open(&dir.path().join("ledger.sqlite")).unwrap();
    fill(&ledger.store, 0, 300);
    ledger
}

/// Returns the steps of a query plan that read a whole table. Scanning the index of running repairs
/// is fine, because it contains no other repairs.
fn scans(store: &Connection, sql: &str) -> Vec<String> {
    let mut plan = store.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let blank = vec![rusqlite::types::Null; plan.parameter_count()];
    let steps = plan.query_map(params_from_iter(blank), |row| row.get::<_, String>(3)).unwrap();
    let is_scan = |step: &String| {
        let table = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
        matches!(table, Some("repair" | "refusal" | "step"))
            && !step.ends_with("USING INDEX repair_running")
    };
    steps.map(Result::unwrap).filter(is_scan).collect()
}

fn searches() -> Vec<Search<'static>> {
    let all = Filter::default();
    let running = [RepairState::Running];
    let healed = [RepairState::Ended(RepairOutcome::Healed)];
    let filters = [
        all,
        Filter { since: Some(std::time::SystemTime::UNIX_EPOCH), ..all },
        Filter { which: Which::Host("web1"), ..all },
        Filter { which: Which::Object("web1", Some("HTTP")), ..all },
        Filter { states: &running, ..all },
        Filter { states: &healed, ..all },
    ];
    filters
        .iter()
        .flat_map(|filter| {
            [Search::repairs(filter, Dialect::Sqlite), Search::refusals(filter, Dialect::Sqlite)]
        })
        .collect()
}

#[test]
fn no_query_for_display_reads_a_whole_table() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&dir);
    let pages = searches().into_iter().map(|search| search.page());
    let queries: Vec<String> =
        pages.chain([MAY_BE_HELD_BACK.into(), ended_since(), jobs()]).collect();
    for statistics in ["", "ANALYZE"] {
        ledger.store.execute_batch(statistics).unwrap();
        for sql in &queries {
            assert_eq!(scans(&ledger.store, sql), [""; 0], "{statistics} {sql}");
        }
    }
}

/// Returns how many instructions SQLite's virtual machine executes for a query.
fn effort(store: &Connection, sql: &str, keys: &[&dyn ToSql]) -> i32 {
    let mut query = store.prepare(sql).unwrap();
    let mut rows = query.query(keys).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    query.get_status(StatementStatus::VmStep)
}

#[test]
fn old_records_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&dir);
    let now = 1_000_000 * HOUR;
    let page = Search::repairs(&Filter::default(), Dialect::Sqlite).page();
    let refusals = Search::refusals(&Filter::default(), Dialect::Sqlite).page();
    let last: [&dyn ToSql; 3] = [&i64::MAX, &i64::MAX, &50];
    let efforts = || {
        let store = &ledger.store;
        [
            effort(store, MAY_BE_HELD_BACK, &[&now, &(now - 24 * HOUR), &HOUR, &3]),
            effort(store, &ended_since(), &[&(now - 24 * HOUR), &"unknown"]),
            effort(store, &page, &last),
            effort(store, &refusals, &last),
            effort(store, &jobs(), &[&"0", &"0{"]),
        ]
    };
    let before = efforts();
    fill(&ledger.store, 300, 5000);
    assert_eq!(efforts(), before);
}
