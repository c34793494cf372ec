//! Records the end of forgotten repairs in an SQLite file.

use std::path::Path;
use std::time::SystemTime;

use policy::JobId;
use rusqlite::{Connection, Row, params};

use crate::forgotten::{ENDED_PER_DECISION, FORGOTTEN_AFTER, ending};
use crate::locks;
use crate::value::{millis, span_millis};

/// Records the end of a few forgotten repairs. `path` is the path of the ledger.
pub(super) fn end(store: &Connection, path: &Path, now: SystemTime) -> rusqlite::Result<()> {
    let mut unended = store.prepare(
        "SELECT job, rung FROM repair INDEXED BY repair_running \
         WHERE ended IS NULL AND lease_until < ?1",
    )?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let overdue = millis(now).saturating_sub(span_millis(FORGOTTEN_AFTER));
    let jobs: Vec<(String, u32)> =
        unended.query_map([overdue], row)?.collect::<rusqlite::Result<_>>()?;
    let dead = jobs.iter().filter(|(job, _)| !locks::is_alive(path, job));
    for (job, rung) in dead.take(ENDED_PER_DECISION) {
        let (outcome, text) = ending(job, *rung);
        let sql = "UPDATE repair SET ended = lease_until, outcome = ?2, text = ?3 WHERE job = ?1";
        store.execute(sql, params![job, outcome.as_str(), text])?;
        // The ID is part of a path, so do not use it unless it is valid.
        if job.parse::<JobId>().is_ok() {
            locks::forget(path, job);
        }
    }
    Ok(())
}
