//! Pauses: whoever may write the ledger can stop repairs, of everything, of a host, or of a
//! service.

use std::time::SystemTime;

use rusqlite::{OptionalExtension, Row, params};

use super::{SqliteLedger, given, lossy, millis, time};
use crate::{Error, Paused};

const PAUSE: &str = "SELECT host, service, by_whom, reason, since, until FROM pause";

impl SqliteLedger {
    /// Stops repairs in the scope of `pause`, in place of an earlier pause of the same scope.
    pub fn pause(&mut self, pause: &Paused) -> Result<(), Error> {
        let (host, service) = scope(pause.host.as_deref(), pause.service.as_deref());
        let sql = "INSERT OR REPLACE INTO pause (host, service, by_whom, reason, since, until) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let until = pause.until.map(millis);
        let row = params![host, service, pause.by, pause.reason, millis(pause.since), until];
        self.store.execute(sql, row).map(drop).map_err(Self::failed(&self.path))
    }

    /// Ends the pause of just this scope and returns it; `None` when there is none. One that is
    /// over is forgotten, and counts as none.
    pub fn resume(
        &mut self,
        host: Option<&str>,
        service: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<Paused>, Error> {
        let failed = Self::failed(&self.path);
        self.store
            .execute("DELETE FROM pause WHERE until <= ?1", [millis(now)])
            .map_err(&failed)?;
        let sql = "DELETE FROM pause WHERE host = ?1 AND service = ?2 RETURNING host, service, \
                   by_whom, reason, since, until";
        let (host, service) = scope(host, service);
        self.store.query_row(sql, params![host, service], paused).optional().map_err(&failed)
    }

    /// The pauses that hold at `now`, the widest first.
    pub fn pauses(&mut self, now: SystemTime) -> Result<Vec<Paused>, Error> {
        let sql = format!("{PAUSE} WHERE until IS NULL OR until > ?1 ORDER BY host, service");
        self.rows(&sql, [millis(now)], paused)
    }
}

fn scope<'a>(host: Option<&'a str>, service: Option<&'a str>) -> (&'a str, &'a str) {
    (host.unwrap_or_default(), service.unwrap_or_default())
}

fn paused(row: &Row<'_>) -> rusqlite::Result<Paused> {
    Ok(Paused {
        host: given(lossy(row, 0)?),
        service: given(lossy(row, 1)?),
        by: lossy(row, 2)?,
        reason: lossy(row, 3)?,
        since: time(row.get(4)?),
        until: row.get::<_, Option<i64>>(5)?.map(time),
    })
}
