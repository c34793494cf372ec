//! Tests that the ledger rejects damaged files, foreign files, and files that other accounts could
//! have changed, and that it follows no links.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{HOUR, Place, at, event, job, policy};
use ledger::{Claim, Error, StepKind};
use policy::{Decision, History, RecordedHistory, decide};

#[test]
fn rejects_ledger_that_others_can_write() {
    let place = Place::new();
    drop(place.open());
    testkit::set_mode(place.path(), 0o666);
    assert!(matches!(ledger::open_sqlite(&place.path()), Err(Error::Writable(_))));
}

#[test]
fn rejects_ledger_that_others_can_replace() {
    use std::os::unix::fs::chown;
    let place = Place::new();
    drop(place.open());
    let mode = |bits| testkit::set_mode(place.dir.path(), bits);
    for (bits, exposed) in [(0o770, true), (0o757, true), (0o1777, false), (0o750, false)] {
        mode(bits);
        let opened = ledger::open_sqlite(&place.path());
        assert_eq!(
            matches!(opened, Err(Error::Exposed(_))),
            exposed,
            "{bits:o}: {:?}",
            opened.err()
        );
    }
    // No ledger is created in a directory where other accounts could replace it.
    mode(0o777);
    fs::remove_file(place.path()).unwrap();
    assert!(matches!(ledger::open_sqlite(&place.path()), Err(Error::Exposed(_))));
    assert!(!place.path().exists());
    // Root does not create a ledger in another account's directory.
    mode(0o750);
    chown(place.dir.path(), Some(65534), None).unwrap();
    assert!(matches!(ledger::open_sqlite(&place.path()), Err(Error::Exposed(_))));
    assert!(!place.path().exists());
}

#[test]
fn follows_no_link_next_to_ledger() {
    use std::os::unix::fs::symlink;
    let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
    let beside = |end: &str| place.path().with_added_extension(end);
    let (file, directory) = (elsewhere.path().join("shadow"), elsewhere.path().join("cron.d"));
    fs::write(&file, "root's").unwrap();
    fs::create_dir(&directory).unwrap();
    let mut ledger = place.open();
    let (now, policy) = (at(0), policy());
    let mut reserve = |n| {
        let (job, event) = (job(n), event("web1", &n.to_string(), 4));
        let claim = Claim {
            job: &job,
            event: &event,
            lease: HOUR,
            horizon: policy.horizon(&event),
            observed: None,
        };
        ledger.reserve(&claim, &|| now, &|history: &History| -> Decision {
            decide(&event, &policy, history)
        })
    };
    for (end, planted) in [("turn", &file), ("jobs", &directory)] {
        symlink(planted, beside(end)).unwrap();
        let refused = reserve(1).unwrap_err().to_string();
        assert!(refused.contains("the path is a symbolic link"), "{refused}");
        fs::remove_file(beside(end)).unwrap();
    }
    fs::remove_file(beside("turn")).unwrap();
    fs::hard_link(&file, beside("turn")).unwrap();
    assert!(reserve(1).unwrap_err().to_string().contains("more than one hard link"));
    fs::remove_file(beside("turn")).unwrap();
    symlink(&file, beside("sweep")).unwrap();
    assert!(place.open().lock_sweep().is_err());
    reserve(2).unwrap().unwrap();
}

/// The view returns an endless number of rows, so querying it would never end.
#[test]
fn refuses_foreign_views_triggers_and_tables() {
    let foreign = [
        "DROP TABLE pause; CREATE VIEW pause AS WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL \
         SELECT n + 1 FROM more) \
         SELECT n AS host, '' AS service, '' AS by_whom, '' AS reason, 0 AS since, NULL AS until \
         FROM more",
        "CREATE TRIGGER more AFTER INSERT ON refusal BEGIN DELETE FROM repair; END",
        "CREATE TABLE theirs (x)",
        "DROP INDEX repair_by_time",
    ];
    for sql in foreign {
        let place = Place::new();
        drop(place.open());
        rusqlite::Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
        for opened in
            [ledger::open_sqlite(&place.path()), ledger::open_sqlite_read_only(&place.path())]
        {
            assert!(matches!(opened, Err(Error::Foreign(_))), "{sql}");
        }
    }
    let place = Place::new();
    drop(place.open());
    rusqlite::Connection::open(place.path()).unwrap().execute_batch("ANALYZE").unwrap();
    drop(place.open());
}

#[test]
fn rejects_foreign_file_and_leaves_it_unchanged() {
    let place = Place::new();
    for content in [
        &b"this is not a database, and longer than the header of one \
           ......................................................"[..],
        &[0xff; 4096],
    ] {
        fs::write(place.path(), content).unwrap();
        let refused = ledger::open_sqlite(&place.path()).err().unwrap();
        assert!(matches!(refused, Error::Foreign(_) | Error::Store { .. }), "{refused}");
        assert_eq!(fs::read(place.path()).unwrap(), content);
    }
    fs::remove_file(place.path()).unwrap();
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(ledger::open_sqlite(&place.path()), Err(Error::Foreign(_))));
}

#[test]
fn rejects_fifo_directory_and_link_without_blocking() {
    let place = Place::new();
    let refused = || matches!(ledger::open_sqlite(&place.path()), Err(Error::NoFile(_)));
    assert!(std::process::Command::new("mkfifo").arg(place.path()).status().unwrap().success());
    assert!(refused());
    fs::remove_file(place.path()).unwrap();
    fs::create_dir(place.path()).unwrap();
    assert!(refused());
    fs::remove_dir(place.path()).unwrap();
    let elsewhere = place.dir.path().join("elsewhere");
    drop(ledger::open_sqlite(&elsewhere).unwrap());
    std::os::unix::fs::symlink(&elsewhere, place.path()).unwrap();
    assert!(refused());
}

#[test]
fn rejects_newer_schema() {
    let place = Place::new();
    drop(place.open());
    let newer = rusqlite::Connection::open(place.path()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(ledger::open_sqlite(&place.path()), Err(Error::Newer { found: 99, .. })));
}

#[test]
fn names_missing_directory() {
    let place = Place::new();
    let path = place.dir.path().join("missing/ledger.sqlite");
    let refused = ledger::open_sqlite(&path).err().unwrap().to_string();
    assert!(refused.contains("/missing cannot be used"), "{refused}");
}

#[test]
fn reader_creates_no_ledger() {
    let place = Place::new();
    assert!(matches!(ledger::open_sqlite_read_only(&place.path()), Err(Error::Missing(_))));
    assert!(!place.path().exists());
    drop(place.open());
    let mut reader = ledger::open_sqlite_read_only(&place.path()).unwrap();
    assert_eq!(
        reader
            .history(&event("web1", "1", 4), &policy().horizon(&event("web1", "1", 4)), at(0))
            .unwrap(),
        RecordedHistory::default()
    );
    assert!(reader.step(&job(1), at(0), StepKind::Ran, None, "y").is_err());
}
