//! Tests that queries find their rows through an index, and that the work for an event does not
//! grow with the ledger.
//!
//! PostgreSQL logs the plan of each statement that it runs, so a new query is tested even if it is
//! not listed here.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use policy::ReasonCode;
use policy_file::LedgerConfig;
use serde_json::json;
use tempfile::TempDir;
use testkit::Postgres;

use crate::per_event::{DAY, HOUR, PER_EVENT, event};
use crate::value::millis;
use crate::{Filter, Ledger, LimitBounds, RepairOutcome, RepairState, Which};

/// Settings with which the server logs the plan of each statement, how many rows each step of the
/// plan returned, and how many pages it read.
const LOG_PLANS: &[&str] = &[
    "session_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=0",
    "auto_explain.log_analyze=on",
    "auto_explain.log_timing=off",
    "auto_explain.log_buffers=on",
    "auto_explain.log_nested_statements=on",
];

/// Statements that fill the tables with records up to the time :now. The object busy/HTTP gets :n
/// repairs, one every 26 minutes, and twice as many refusals. All other objects together get ten
/// times as many repairs and refusals. The object lasting/HTTP has one incident, with three repairs
/// at its start, and then :n refusals, one every nine minutes.
const FILL: &str = "
    INSERT INTO repair (job, site, server, origin, host, service, repair, problem, event, reserved,
        lease_until, rung, ended, outcome)
        SELECT 'job-' || i, 'main', '', '', convert_to(CASE WHEN i % 11 = 0 THEN 'busy'
        ELSE 'host' || i % 97 END, 'UTF8'), 'HTTP', 'httpd', i, 'CRITICAL;HARD;4', :now - i * 141818,
        :now - i * 141818 + 1000, 1, CASE WHEN i > 3 THEN :now - i * 141818 + 1000 END,
        CASE WHEN i > 3 THEN CASE WHEN i % 7 = 0 THEN 'not-healed' ELSE 'healed' END END
        FROM generate_series(1, 11 * :n::bigint) AS i;
    INSERT INTO refusal (at, job, site, server, host, service, event, reason, text, gap)
        SELECT :now - i * 70909, 'no-' || i, 'main', '', convert_to(CASE WHEN i % 11 = 0 THEN 'busy'
        ELSE 'host' || i % 97 END, 'UTF8'), 'HTTP', '', 'cooling-down', '', 780000
        FROM generate_series(1, 22 * :n::bigint) AS i;
    INSERT INTO refusal (at, job, site, server, host, service, event, reason, text, gap)
        SELECT :now - i * 540000, 'lasts-' || i, 'main', '', 'lasting', 'HTTP', '', 'breaker-open',
        '', CASE WHEN i < :n THEN 540000 END FROM generate_series(1, :n::bigint) AS i;
    INSERT INTO repair (job, site, server, origin, host, service, repair, problem, event, reserved,
        lease_until, rung, ended, outcome)
        SELECT 'lasts-' || i, 'main', '', '', 'lasting', 'HTTP', 'httpd', '', '',
        :now - (:n + i) * 540000, 0, 1, :now - (:n + i) * 540000 + 1000, 'not-healed'
        FROM generate_series(1, 3::bigint) AS i;
    INSERT INTO step (job, at, kind, rung, text) SELECT job, reserved, 'begun', 1, '' FROM repair;
    INSERT INTO reset (site, at, host, service, by_whom, reason)
        SELECT 'main', reserved - 100 * 86400000::bigint, host, service, 'ann', '' FROM repair;
    INSERT INTO pause (site, host, service, by_whom, reason, since)
        SELECT DISTINCT 'main', host || '.paused'::bytea, service, 'ann', '', :now FROM repair";

/// A ledger filled with test data, its database server, and the directory of its local files.
struct Filled {
    server: Postgres,
    _state: TempDir,
    ledger: Box<dyn Ledger>,
}

fn filled(repairs: u32, now: SystemTime, is_analyzed: bool) -> Filled {
    let server = Postgres::start_with(LOG_PLANS);
    let state = tempfile::tempdir().unwrap();
    let host = format!("{}:{}", server.socket_dir().display(), server.port);
    let keys = json!({"hosts": [host], "dbname": "filled", "state": state.path()});
    let config: LedgerConfig = serde_json::from_value(json!({"postgres": keys})).unwrap();
    let LedgerConfig::Postgres(postgres) = &config else { panic!("{config}") };
    server.create_database("filled");
    server.sql("filled", "CREATE ROLE selfheal LOGIN");
    server.sql("filled", &super::schema::postgres_schema(postgres));
    let statistics = if is_analyzed { "ANALYZE" } else { "SELECT" };
    // psql replaces :now and :n.
    let sql = format!(
        "SET auto_explain.log_min_duration = -1;\n\\set now {}\n\\set n {repairs}\n\
         SET search_path = selfheal;\n{FILL};\n{statistics};",
        millis(now)
    );
    server.sql("filled", &sql);
    let ledger = crate::open(&config).unwrap();
    Filled { server, _state: state, ledger }
}

/// Returns the plans of the statements that `call` runs.
fn plans(filled: &mut Filled, call: impl FnOnce(&mut dyn Ledger)) -> Vec<String> {
    let before = fs::read(filled.server.log()).unwrap().len();
    call(filled.ledger.as_mut());
    let log = fs::read(filled.server.log()).unwrap();
    let log = String::from_utf8_lossy(&log[before..]).into_owned();
    assert!(!log.contains("ERROR"), "{log}");
    let plans = log.split("plan:\n").skip(1);
    // A plan in the log ends before the first line that is not indented.
    let entry = |text: &str| {
        let lines = text.lines().take_while(|line| line.starts_with('\t'));
        lines.collect::<Vec<_>>().join("\n")
    };
    plans.map(entry).collect()
}

/// Returns the number after `label` in a line of a plan.
fn number(line: &str, label: &str) -> u64 {
    let digits = line.split_once(label).map_or("", |(_, rest)| rest);
    digits.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap_or(0)
}

/// Returns how many rows the steps of a plan read.
fn rows(plan: &str) -> u64 {
    let of_line = |line: &str| {
        number(line, "actual rows=") * number(line, "loops=").max(1)
            + number(line, "Rows Removed by Filter: ")
    };
    plan.lines().map(of_line).sum()
}

/// Returns how many pages a plan read. The first step includes the pages of all others.
fn pages(plan: &str) -> u64 {
    let line = plan.lines().find(|line| line.contains("Buffers: "));
    line.map_or(0, |line| number(line, "hit=") + number(line, " read="))
}

/// Returns the lines of a plan that read a whole table or sort more than `most` rows.
fn expensive(plan: &str, most: u64) -> Vec<&str> {
    let scans = ["repair", "refusal", "step", "reset"].map(|table| format!("Seq Scan on {table} "));
    let is_scan = |line: &str| scans.iter().any(|scan| line.contains(scan.as_str()));
    let is_sort = |line: &str| {
        line.trim_start_matches(['\t', ' ', '-', '>']).starts_with("Sort  ")
            && number(line, "actual rows=") > most
    };
    plan.lines().filter(|line| is_scan(line) || is_sort(line)).collect()
}

#[test]
fn no_query_per_event_reads_a_whole_table_or_sorts() {
    let now = SystemTime::now();
    for is_analyzed in [false, true] {
        let mut filled = filled(500, now, is_analyzed);
        for (method, call) in PER_EVENT {
            let plans = plans(&mut filled, |ledger| call(ledger, &event("busy"), now));
            assert!(!plans.is_empty(), "{method} runs no statement");
            for plan in plans {
                assert!(
                    expensive(&plan, 10).is_empty(),
                    "{method}, analyzed: {is_analyzed}: {plan}"
                );
            }
        }
    }
}

#[test]
fn cost_of_an_event_does_not_grow_with_the_ledger() {
    let now = SystemTime::now();
    let [small, large] = [300, 3000].map(|repairs| {
        let mut filled = filled(repairs, now, true);
        let mut costs = BTreeMap::new();
        for host in ["busy", "cold", "lasting"] {
            for (method, call) in PER_EVENT {
                let plans = plans(&mut filled, |ledger| call(ledger, &event(host), now));
                let cost: [u64; 2] = [rows, pages].map(|of| plans.iter().map(|one| of(one)).sum());
                costs.insert((host, *method), (cost, plans));
            }
            // The calls for every host use the same job ID, so delete its records before the next
            // host.
            for table in ["step", "repair", "refusal"] {
                let job = "job = 'the-job-of-this-event'";
                let sql = format!("DELETE FROM selfheal.{table} WHERE {job}");
                filled.server.sql("filled", &sql);
            }
        }
        costs
    });
    for (call, (after, plans)) in large {
        let (before, _) = small[&call];
        // A larger index has one or two more levels, so each search in it reads more pages.
        let is_same = after[0] <= before[0] + before[0] / 10 + 10 && after[1] <= 2 * before[1] + 10;
        assert!(is_same, "{call:?}: {before:?}, {after:?}: {plans:#?}");
    }
}

#[test]
fn no_query_for_display_reads_a_whole_table() {
    let now = SystemTime::now();
    for is_analyzed in [false, true] {
        let mut filled = filled(500, now, is_analyzed);
        let all = Filter { limit: Some(50), ..Filter::default() };
        let running = [RepairState::Running];
        let healed = [RepairState::Ended(RepairOutcome::Healed)];
        let filters = [
            all,
            Filter { since: Some(now - HOUR), ..all },
            Filter { which: Which::Object("busy", Some("HTTP")), ..all },
            Filter { states: &running, ..all },
            Filter { states: &healed, ..all },
        ];
        let mut seen = Vec::new();
        for filter in &filters {
            seen.extend(plans(&mut filled, |ledger| drop(ledger.repairs(filter).unwrap())));
            seen.extend(plans(&mut filled, |ledger| drop(ledger.refused(filter).unwrap())));
        }
        let bounds = LimitBounds { healthy_for: HOUR, window: DAY, fewest: 3 };
        seen.extend(plans(&mut filled, |ledger| {
            drop(ledger.may_be_held_back(&bounds, now).unwrap());
            drop(ledger.unknown_since(now - DAY).unwrap());
            drop(ledger.jobs("job-1").unwrap());
        }));
        let recent = Filter { since: Some(now - 2 * HOUR), ..Filter::default() };
        seen.extend(plans(&mut filled, |ledger| {
            drop(ledger.refusal_totals(&recent, Some(ReasonCode::CoolingDown)).unwrap());
            ledger.count_refused(&recent).unwrap();
        }));
        for plan in seen {
            // A query may sort the repairs of the last day, because there are only a few.
            let is_cheap = expensive(&plan, 1_000).is_empty() && rows(&plan) < 5_000;
            assert!(is_cheap, "analyzed: {is_analyzed}: {plan}");
        }
    }
}
