//! Brings a ledger of an older version to the current schema: once, with a copy kept beside it.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::locks::{self, DecisionLock, directory_of, private_file};
use super::schema::{self, Schema};
use super::store_error;
use crate::Error;

const SET_ASIDE: &str = "
    ALTER TABLE repair RENAME TO old_repair;
    ALTER TABLE step RENAME TO old_step;
    ALTER TABLE refusal RENAME TO old_refusal;
    ALTER TABLE pause RENAME TO old_pause;
    DROP INDEX repair_by_object;
    DROP INDEX repair_running;
    DROP INDEX repair_by_time;
    DROP INDEX step_by_job;
    DROP INDEX refusal_by_time;
    DROP INDEX refusal_by_object;";
const FROM_SCHEMA_1: &str = include_str!("from_schema_1.sql");

/// Brings a ledger of schema 1 to the current one, in place: a program of the older version that has
/// the file open fails at its next statement, before it runs anything.
///
/// # Errors
/// [`Error::WorkerAtWork`] while a worker of the older version is repairing. Nothing is changed then,
/// nor after any other error.
pub(super) fn from_schema_1(store: &mut Connection, path: &Path) -> Result<(), Error> {
    // No program, of any version, reserves a repair while we hold this.
    let _turn = DecisionLock::acquire(path)?;
    if schema::check(store, path)? == Schema::Current {
        return Ok(());
    }
    if let Some(job) = locks::any_alive(path)? {
        return Err(Error::WorkerAtWork { path: path.to_owned(), job });
    }
    back_up(store, path)?;
    change(store).map_err(store_error(path))?;
    // It has the room of two ledgers now; where others are reading, that stays.
    let _ = store.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
    Ok(())
}

/// Copies the ledger, and makes the copy durable before the ledger is changed.
fn back_up(store: &Connection, path: &Path) -> Result<(), Error> {
    let copy = schema::backup(path, 1);
    let draft = copy.with_added_extension("new");
    let unusable = |why| Error::Directory { path: draft.clone(), why };
    // What an earlier attempt left.
    let _ = fs::remove_file(&draft);
    private_file(&draft).map_err(unusable)?;
    let into = draft.to_string_lossy();
    let copied = store.execute("VACUUM INTO ?1", [into.as_ref()]).map_err(store_error(path));
    let kept = copied.and_then(|_| {
        let place = || {
            File::open(&draft)?.sync_all()?;
            fs::rename(&draft, &copy)?;
            File::open(directory_of(&copy))?.sync_all()
        };
        place().map_err(unusable)
    });
    kept.inspect_err(|_| drop(fs::remove_file(&draft)))
}

fn change(store: &mut Connection) -> rusqlite::Result<()> {
    // Within a transaction this switch does nothing; with it, every dropped row would be looked up.
    store.pragma_update(None, "foreign_keys", false)?;
    let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SET_ASIDE)?;
    schema::write(&transaction)?;
    transaction.execute_batch(FROM_SCHEMA_1)?;
    transaction.commit()?;
    store.pragma_update(None, "foreign_keys", true)
}
