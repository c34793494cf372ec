//! Migrates a ledger from an older version to the current schema, and keeps a copy next to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::schema::{self, Schema};
use super::{WAL, store_error};
use crate::Error;
use crate::locks::{self, DecisionLock, directory_of};

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

/// Migrates a ledger from schema 1 to the current schema. The file is changed in place, so a
/// program of the older version that has it open can no longer reserve repairs in it.
///
/// # Errors
/// Returns [`Error::WorkerAtWork`] while a worker of the older version is repairing. The ledger is
/// unchanged after any error.
pub(super) fn from_schema_1(store: &mut Connection, path: &Path) -> Result<(), Error> {
    // No program of any version can reserve a repair while we hold this lock.
    let lock = DecisionLock::acquire(path)?;
    if schema::check(store, path)? == Schema::Current {
        return Ok(());
    }
    if let Some(job) = locks::any_alive(path)? {
        return Err(Error::WorkerAtWork { path: path.to_owned(), job });
    }
    // Check that we can write the ledger before we copy it.
    store.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(store_error(path))?;
    back_up(store, path)?;
    lock.show_progress();
    change(store).map_err(store_error(path))
}

/// Copies the ledger and flushes the copy to disk. This must be done before the ledger is changed.
fn back_up(store: &Connection, path: &Path) -> Result<(), Error> {
    let copy = schema::backup(path, 1);
    let draft = copy.with_added_extension("new");
    let unusable = |why| Error::Directory { path: draft.clone(), why };
    // An earlier attempt that was killed may have left a draft.
    let _ = fs::remove_file(&draft);
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    drop(new.map_err(unusable)?);
    let kept = copy_into(store, &draft).and_then(|()| {
        let place = || {
            File::open(&draft)?.sync_all()?;
            fs::rename(&draft, &copy)?;
            File::open(directory_of(&copy))?.sync_all()
        };
        place().map_err(unusable)
    });
    kept.inspect_err(|_| drop(fs::remove_file(&draft)))
}

fn copy_into(store: &Connection, draft: &Path) -> Result<(), Error> {
    let unusable = |why| Error::Directory { path: draft.to_owned(), why };
    let name =
        draft.to_str().ok_or_else(|| unusable(io::Error::from(ErrorKind::InvalidFilename)))?;
    store.execute("VACUUM INTO ?1", [name]).map_err(store_error(draft))?;
    // VACUUM INTO does not copy the journal mode, so set it again. Without a write-ahead log,
    // readers would block reservations.
    let copied = Connection::open(draft).map_err(store_error(draft))?;
    copied.execute_batch(WAL).map_err(store_error(draft))?;
    copied.close().map_err(|(_, why)| store_error(draft)(why))
}

fn change(store: &mut Connection) -> rusqlite::Result<()> {
    store.execute_batch(WAL)?;
    // Turn foreign keys off. Otherwise SQLite would look up references to every dropped row. This
    // pragma has no effect within a transaction, so it comes first.
    store.pragma_update(None, "foreign_keys", false)?;
    let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SET_ASIDE)?;
    schema::write(&transaction)?;
    transaction.execute_batch(FROM_SCHEMA_1)?;
    transaction.commit()?;
    let _ = store.pragma_update(None, "foreign_keys", true);
    Ok(())
}
