//! Tests how a ledger from version 7740e3e is migrated to the current schema.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::{Place, event, policy};
use ledger::{Error, Filter, Ledger, RepairOutcome, Step, StepKind};
use policy::{PastOutcome, ReasonCode};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Creates a ledger as the programs of version 7740e3e left it, in schema 1.
fn old() -> Place {
    let place = Place::new();
    let store = Connection::open(place.path()).unwrap();
    store.execute_batch(include_str!("old/7740e3e.sql")).unwrap();
    testkit::set_mode(place.path(), 0o600);
    place
}

fn backup(place: &Place) -> PathBuf {
    place.path().with_added_extension("schema-1")
}

fn steps(ledger: &mut dyn Ledger, job: &str) -> Vec<Step> {
    ledger.steps(&job.parse().unwrap()).unwrap()
}

fn schema_of(path: &Path) -> i64 {
    let store = Connection::open(path).unwrap();
    store.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

const HEALED: &str = "6ab2c001-4f3a9c2b11d05e01";
const LOCAL: &str = "6ab2c002-4f3a9c2b11d05e02";
const AT_GATE: &str = "6ab2c005-4f3a9c2b11d05e05";

#[test]
fn keeps_every_record() {
    let place = old();
    let mut ledger = place.open();
    let records = ledger.repairs(&Filter::default()).unwrap();
    let outcomes: Vec<_> = records.iter().rev().map(|record| record.outcome).collect();
    use RepairOutcome::{CouldNotRun, Healed, NotHealed, Unknown};
    let ended = [Healed, NotHealed, CouldNotRun, Unknown].map(Some);
    assert_eq!(outcomes, [ended.as_slice(), &[None; 3]].concat());
    let local = &records[5];
    assert_eq!((local.job.as_str(), local.service.as_deref()), (LOCAL, Some("Käse & Brot")));
    assert_eq!(
        (local.rungs, local.gate.as_deref(), local.problem.as_deref()),
        (1, None, Some("12"))
    );
    let healed = &records[6];
    assert_eq!((healed.rungs, healed.gate.as_deref()), (2, Some("hypervisor1")));
    assert!(healed.text.starts_with("REPAIRED web1/HTTP with httpd in 12.0 s by rung 2 of 2"));
    assert_eq!((records[4].service.as_deref(), records[4].gate.as_deref()), (None, Some("db1")));
    assert_eq!(ledger.pauses(common::at(0)).unwrap().len(), 2);
}

#[test]
fn gives_every_step_its_kind_and_rung() {
    let place = old();
    let mut ledger = place.open();
    let healed = steps(ledger.as_mut(), HEALED);
    use StepKind::{Begun, Evidence, Failed, NotNotified, Notified, Ran, Verified};
    let wanted = [
        (Evidence, None),
        (Begun, Some(1)),
        (Failed, Some(1)),
        (Verified, Some(1)),
        (Begun, Some(2)),
        (Ran, Some(2)),
        (Verified, Some(2)),
        (Notified, None),
    ];
    assert_eq!(healed.iter().map(|step| (step.kind, step.rung)).collect::<Vec<_>>(), wanted);
    assert_eq!(healed[4].text, "rung 2 of 2: ssh power-cycle at hypervisor1");
    assert_eq!(steps(ledger.as_mut(), LOCAL)[3].kind, NotNotified);
}

#[test]
fn loads_every_reason_of_the_old_version() {
    let place = old();
    let refusals = place.open().refused(&Filter::default()).unwrap();
    let codes: BTreeSet<ReasonCode> =
        refusals.iter().map(|refusal| refusal.reason.code().unwrap()).collect();
    assert_eq!((refusals.len(), codes.len()), (15, 15));
    assert_eq!(
        refusals[0].text,
        "12 of 20 objects are in trouble, more than the 50 % that may be: the cause lies elsewhere"
    );
}

#[test]
fn decides_on_the_old_history() {
    let place = old();
    let mut ledger = place.open();
    let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_620);
    let known = ledger
        .history(&event("web1", "11", 3), &policy().horizon(&event("web1", "11", 3)), now)
        .unwrap();
    assert_eq!(known.repairs[0].outcome, PastOutcome::Healed);
    assert!(!known.refused.is_empty());
    assert_eq!(known.same_problem.as_deref(), Some(HEALED));
    assert_eq!((known.paused.unwrap().by.as_str(), known.fleet.started), ("ann", 7));
    // The workers for web4, web5 and web6 died, but their leases are not over yet.
    assert_eq!((known.fleet.running, known.running), (3, None));
    let running = &ledger.abandoned("web4").unwrap()[0].record;
    assert_eq!((running.job.as_str(), running.gate.as_deref()), (AT_GATE, Some("web4")));
}

#[test]
fn keeps_a_private_copy_of_the_old_ledger() {
    let place = old();
    drop(place.open());
    assert_eq!((schema_of(&backup(&place)), schema_of(&place.path())), (1, 2));
    assert_eq!(fs::metadata(backup(&place)).unwrap().mode() & 0o777, 0o600);
    let count = |path: &Path| -> i64 {
        let store = Connection::open(path).unwrap();
        store.query_row("SELECT count(*) FROM step", (), |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&backup(&place)), count(&place.path()));
    // Opening the ledger a second time does not migrate it again.
    fs::remove_file(backup(&place)).unwrap();
    drop(place.open());
    assert!(!backup(&place).exists());
}

#[test]
fn refuses_migration_while_old_worker_runs() {
    let place = old();
    let jobs = place.path().with_added_extension("jobs");
    fs::create_dir(&jobs).unwrap();
    let worker = File::create(jobs.join(AT_GATE)).unwrap();
    worker.lock().unwrap();
    let before = fs::read(place.path()).unwrap();
    let refused = ledger::open_sqlite(&place.path()).err().unwrap();
    assert!(matches!(&refused, Error::WorkerAtWork { job, .. } if job == AT_GATE), "{refused}");
    assert_eq!((fs::read(place.path()).unwrap(), schema_of(&place.path())), (before, 1));
    assert!(!backup(&place).exists());
    drop(worker);
    assert_eq!(place.open().records(9).unwrap().len(), 7);
}

#[test]
fn reader_names_the_command_that_migrates() {
    let place = old();
    let refused = ledger::open_sqlite_read_only(&place.path()).err().unwrap();
    assert!(matches!(refused, Error::Older { found: 1, known: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("`repairctl ledger migrate`"), "{refused}");
}

#[test]
fn refuses_an_old_ledger_with_a_trigger() {
    let place = old();
    let store = Connection::open(place.path()).unwrap();
    store
        .execute_batch("CREATE TRIGGER more AFTER INSERT ON refusal BEGIN DELETE FROM repair; END")
        .unwrap();
    assert!(matches!(ledger::open_sqlite(&place.path()), Err(Error::Foreign(_))));
}

#[test]
fn migrates_once_when_opened_by_several_threads() {
    let place = old();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(place.open().records(9).unwrap().len(), 7));
        }
    });
}

#[test]
fn old_version_cannot_write_after_migration() {
    let place = old();
    let store = Connection::open(place.path()).unwrap();
    let sql = "INSERT INTO repair (job, host, service, repair, problem, event, reserved, \
               lease_until) VALUES ('job-new1', 'web9', '', 'x', '', '', 1, 2)";
    let mut reserve = store.prepare(sql).unwrap();
    drop(place.open());
    assert!(reserve.execute(()).is_err());
}

/// Returns every row of a table as a string.
fn rows(store: &Connection, columns: &str, table: &str) -> Vec<String> {
    let all = format!("SELECT {columns} FROM {table} ORDER BY rowid");
    let shown = |row: &rusqlite::Row<'_>| {
        let cells = (0..row.as_ref().column_count()).map(|n| match row.get_ref(n)? {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => {
                Ok(String::from_utf8_lossy(bytes).into_owned())
            }
            other => Ok(format!("{other:?}")),
        });
        Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
    };
    let mut statement = store.prepare(&all).unwrap();
    statement.query_map((), shown).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn keeps_every_column_of_every_row_in_order() {
    let place = old();
    let before = Connection::open(place.path()).unwrap();
    let kept = [
        (
            "job, host, service, repair, problem, event, reserved, lease_until, ended, outcome, text",
            "repair",
        ),
        ("job, at, text", "step"),
        ("at, job, host, service, event, text", "refusal"),
        ("host, service, by_whom, reason, since, until", "pause"),
    ];
    let wanted = kept.map(|(columns, table)| rows(&before, columns, table));
    let reasons = rows(&before, "why", "refusal");
    drop(before);
    drop(place.open());
    let after = Connection::open(place.path()).unwrap();
    assert_eq!(kept.map(|(columns, table)| rows(&after, columns, table)), wanted);
    assert_eq!(rows(&after, "reason", "refusal"), reasons);
    assert_eq!(wanted.map(|rows| rows.len()), [7, 18, 15, 2]);
}

#[test]
fn adds_the_gaps_between_refusals() {
    let place = old();
    drop(place.open());
    let after = Connection::open(place.path()).unwrap();
    let gaps = rows(&after, "reason, gap", "refusal");
    let wanted = |row: &str| match row.split('|').next().unwrap() {
        "recovered" | "same-event" => "Null",
        // This refusal comes after one with the reason same-event, which does not count.
        "same-problem" => "Integer(2000)",
        _ => "Integer(1000)",
    };
    assert!(gaps.iter().all(|row| row.ends_with(wanted(row))), "{gaps:#?}");
}

#[test]
fn maps_every_old_step_word_to_a_kind() {
    let place = old();
    let words = [
        ("found", StepKind::Evidence),
        ("run", StepKind::Begun),
        ("ran", StepKind::Ran),
        ("failed", StepKind::Failed),
        ("not run", StepKind::NotRun),
        ("refused", StepKind::Refused),
        ("unknown", StepKind::Unknown),
        ("verified", StepKind::Verified),
        ("told", StepKind::Notified),
        ("not told", StepKind::NotNotified),
        ("an unknown word", StepKind::Note),
    ];
    let store = Connection::open(place.path()).unwrap();
    for (word, _) in words {
        let sql = "INSERT INTO step (job, at, what, text) VALUES (?1, 9, ?2, '')";
        store.execute(sql, ["6ab2c007-4f3a9c2b11d05e07", word]).unwrap();
    }
    drop(store);
    let kinds = steps(place.open().as_mut(), "6ab2c007-4f3a9c2b11d05e07");
    let kinds: Vec<StepKind> = kinds.into_iter().map(|step| step.kind).collect();
    assert_eq!(kinds, words.map(|(_, kind)| kind));
}

#[test]
fn keeps_write_ahead_log_of_ledger_and_copy() {
    let place = old();
    drop(place.open());
    for path in [place.path(), backup(&place)] {
        let store = Connection::open(path).unwrap();
        let mode: String =
            store.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
    let refused = ledger::open_sqlite_read_only(&backup(&place)).err().unwrap();
    assert!(matches!(refused, Error::Older { .. }), "{refused}");
}

#[test]
fn replaces_draft_of_killed_attempt() {
    let place = old();
    let draft = backup(&place).with_added_extension("new");
    fs::write(&draft, "half a copy").unwrap();
    drop(place.open());
    assert!(!draft.exists() && backup(&place).exists());
}

/// An account that can write to the directory can create a directory with the name of the draft.
/// The copy then fails.
#[test]
fn leaves_ledger_unchanged_if_copy_fails() {
    let place = old();
    fs::create_dir(backup(&place).with_added_extension("new")).unwrap();
    assert!(matches!(ledger::open_sqlite(&place.path()), Err(Error::Directory { .. })));
    assert_eq!(schema_of(&place.path()), 1);
}

#[test]
fn names_copy_to_restore_when_schema_is_newer() {
    let place = Place::new();
    drop(place.open());
    let store = Connection::open(place.path()).unwrap();
    store.pragma_update(None, "user_version", 3).unwrap();
    let refused = || ledger::open_sqlite(&place.path()).err().unwrap().to_string();
    assert!(refused().ends_with("upgrade the package"), "{}", refused());
    let copy = place.path().with_added_extension("schema-2");
    fs::write(&copy, "").unwrap();
    assert!(refused().contains(&format!("mv '{}' ", copy.display())), "{}", refused());
}
