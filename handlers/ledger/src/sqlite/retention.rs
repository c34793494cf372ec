//! Deletes expired records, in batches, and returns unused space to the file system.

use std::time::{Duration, SystemTime};

use policy::REFUSALS_KEPT;
use rusqlite::{Connection, params};

use super::{SqliteLedger, unflushed};
use crate::Error;
use crate::expiry::WITNESS_AGES;
use crate::locks::DecisionLock;
use crate::value::{millis, span_millis};

/// Maximum number of refusals, or of repairs, that one batch deletes. Deleting this many takes a
/// few milliseconds.
const BATCH: u32 = 500;

/// Maximum number of pages, each of 4 KiB, that one batch returns to the file system.
const PAGES: u32 = 500;

/// One of every `SPARE` pages may stay unused. New records use these pages again, so the file does
/// not shrink and grow all the time.
const SPARE: u32 = 10;

impl SqliteLedger {
    /// Deletes one batch while holding the decision lock. Decisions then wait for this lock in
    /// order of arrival. Without the lock, SQLite would make them sleep and try again.
    pub(super) fn expire_batch(
        &mut self,
        keep: Option<Duration>,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let _decision_lock = DecisionLock::acquire(&self.path)?;
        let expired = unflushed(&mut self.store, |store| {
            if !is_clock_plausible(store, now)? {
                return Ok(false);
            }
            let refusals = delete_refusals(store, now, BATCH)?;
            let repairs = keep.map_or(Ok(0), |keep| delete_repairs(store, keep, now))?;
            let shrunk = shrink(store)?;
            Ok(refusals == BATCH as usize || repairs == BATCH as usize || shrunk)
        });
        self.named(expired)
    }
}

/// Whether the recent records show that the clock is right, so that records may expire.
fn is_clock_plausible(store: &Connection, now: SystemTime) -> rusqlite::Result<bool> {
    let [latest, earliest] = WITNESS_AGES.map(|age| millis(now).saturating_sub(span_millis(age)));
    let has = |sql| store.prepare(sql)?.exists([earliest, latest]);
    Ok(has("SELECT 1 FROM refusal WHERE at BETWEEN ?1 AND ?2")?
        || has("SELECT 1 FROM repair WHERE reserved BETWEEN ?1 AND ?2")?)
}

/// Deletes a few expired refusals, if the clock is plausible.
pub(super) fn delete_few_refusals(
    store: &Connection,
    now: SystemTime,
    limit: u32,
) -> rusqlite::Result<()> {
    if is_clock_plausible(store, now)? {
        delete_refusals(store, now, limit)?;
    }
    Ok(())
}

/// Deletes the oldest expired refusals, at most `limit`. Returns how many it deleted.
fn delete_refusals(store: &Connection, now: SystemTime, limit: u32) -> rusqlite::Result<usize> {
    let expired = millis(now).saturating_sub(span_millis(REFUSALS_KEPT));
    let sql = "DELETE FROM refusal WHERE id IN \
               (SELECT id FROM refusal WHERE at < ?1 ORDER BY at LIMIT ?2)";
    store.execute(sql, params![expired, limit])
}

/// Deletes a batch of repairs that ended longer ago than `keep`, with their steps, starting with
/// the repair that ended first. Returns how many repairs it deleted.
fn delete_repairs(
    store: &mut Connection,
    keep: Duration,
    now: SystemTime,
) -> rusqlite::Result<usize> {
    let transaction = store.transaction()?;
    let jobs = "SELECT job FROM repair WHERE ended < ?1 ORDER BY ended LIMIT ?2";
    let mut deleted = 0;
    for table in ["step", "repair_group", "repair"] {
        let sql = format!("DELETE FROM {table} WHERE job IN ({jobs})");
        let expired = millis(now).saturating_sub(span_millis(keep));
        deleted = transaction.execute(&sql, params![expired, BATCH])?;
    }
    transaction.commit()?;
    Ok(deleted)
}

/// Gives some unused pages back to the file system if there are many. Returns whether it did. A
/// ledger from an older version keeps its unused pages until `repairctl ledger migrate` has
/// rewritten it.
fn shrink(store: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name| store.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let unused = pragma("freelist_count")?.saturating_sub(pragma("page_count")? / SPARE);
    if unused == 0 || auto_vacuum(store)? != INCREMENTAL {
        return Ok(false);
    }
    let mut vacuum = store.prepare(&format!("PRAGMA incremental_vacuum({})", unused.min(PAGES)))?;
    // SQLite returns one row for each page that it frees, so read all rows.
    let mut pages = vacuum.query(())?;
    while pages.next()?.is_some() {}
    Ok(true)
}

/// Returns SQLite's `PRAGMA auto_vacuum`, which is stored in the file.
pub(super) fn auto_vacuum(store: &Connection) -> rusqlite::Result<u32> {
    store.pragma_query_value(None, "auto_vacuum", |row| row.get(0))
}

/// Value of SQLite's `PRAGMA auto_vacuum` that lets a file shrink step by step.
pub(super) const INCREMENTAL: u32 = 2;
