//! The queries for the history that a decision needs.

use std::path::Path;

use policy::{Event, ReasonCode};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::store_error;
use crate::facts::{CoveringPause, EachPast, Facts, RecordedRepair, Unended};
use crate::value::object;
use crate::{Error, RepairOutcome, locks};

/// The records of one object in a SQLite file.
pub(super) struct ObjectRecords<'a> {
    store: &'a Connection,
    path: &'a Path,
    host: Vec<u8>,
    service: Vec<u8>,
}

impl<'a> ObjectRecords<'a> {
    pub(super) fn of(store: &'a Connection, path: &'a Path, event: &Event) -> ObjectRecords<'a> {
        let (host, service) = object(event);
        ObjectRecords { store, path, host, service }
    }

    /// Gives access to the records without selecting an object, for queries about the whole fleet.
    pub(super) fn of_fleet(store: &'a Connection, path: &'a Path) -> ObjectRecords<'a> {
        ObjectRecords { store, path, host: Vec::new(), service: Vec::new() }
    }

    fn rows<T>(
        &self,
        sql: &str,
        keys: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let collect =
            || self.store.prepare(sql)?.query_map(keys, read)?.collect::<rusqlite::Result<_>>();
        collect().map_err(store_error(self.path))
    }

    /// Returns the first row, or `None` if there is none. A query with an aggregate always has a
    /// row.
    fn first<T>(
        &self,
        sql: &str,
        keys: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let found = self.store.query_row(sql, keys, read).optional();
        found.map_err(store_error(self.path))
    }

    fn refusal(&self, which: &str, after: i64, before: i64) -> Result<Option<i64>, Error> {
        let sql = format!(
            "SELECT {which}(at) FROM refusal WHERE host = ?1 AND service = ?2 \
             AND at > ?3 AND at < ?4 AND reason <> '{}'",
            ReasonCode::SameEvent.as_str()
        );
        let keys = params![self.host, self.service, after, before];
        Ok(self.first(&sql, keys, |row| row.get(0))?.flatten())
    }
}

impl Facts for ObjectRecords<'_> {
    fn unended(&self, now: i64) -> Result<Vec<Unended>, Error> {
        let sql = "SELECT job, lease_until > ?1, host, service, reserved FROM repair \
                   INDEXED BY repair_running WHERE ended IS NULL";
        let row = |row: &Row<'_>| {
            let job: String = row.get(0)?;
            let runs = row.get(1)? || locks::is_alive(self.path, &job);
            let (host, service, reserved) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(runs.then_some(Unended { job, host, service, reserved }))
        };
        Ok(self.rows(sql, [now], row)?.into_iter().flatten().collect())
    }

    fn last_reset(&self, until: i64) -> Result<Option<i64>, Error> {
        let sql = "SELECT max(at) FROM reset WHERE host = ?1 AND service = ?2 AND at <= ?3";
        let of = |service: &[u8]| self.first(sql, params![self.host, service, until], |r| r.get(0));
        Ok(of(&[])?.flatten().max(of(&self.service)?.flatten()))
    }

    fn pauses(&self, now: i64) -> Result<Vec<CoveringPause>, Error> {
        // At most four pauses cover an object. The caller finds the one that ends last, so the
        // query need not sort them.
        let sql = "SELECT by_whom, reason, until FROM pause \
             WHERE host IN (x'', ?1) AND service IN (x'', ?2) AND (until IS NULL OR until > ?3)";
        self.rows(sql, params![self.host, self.service, now], |row| {
            Ok(CoveringPause { by: row.get(0)?, reason: row.get(1)?, until: row.get(2)? })
        })
    }

    fn answered(
        &self,
        problem: &str,
        event: Option<&str>,
        since: i64,
    ) -> Result<Option<String>, Error> {
        let sql = "SELECT job FROM repair WHERE host = ?1 AND service = ?2 AND problem = ?3 \
             AND event = coalesce(?4, event) AND reserved > ?5 AND coalesce(outcome, '') <> ?6 \
             ORDER BY reserved DESC LIMIT 1";
        let could_not_run = RepairOutcome::CouldNotRun.as_str();
        let keys = params![self.host, self.service, problem, event, since, could_not_run];
        self.first(sql, keys, |row| row.get(0))
    }

    fn ended_after(&self, future: i64) -> Result<Option<(String, i64)>, Error> {
        let sql = "SELECT job, ended FROM repair INDEXED BY repair_by_end \
             WHERE ended > ?3 AND host = ?1 AND service = ?2 ORDER BY ended DESC LIMIT 1";
        let keys = params![self.host, self.service, future];
        self.first(sql, keys, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn started_since(&self, since: i64) -> Result<(u32, Option<i64>), Error> {
        let sql = "SELECT count(*), min(reserved) FROM repair WHERE reserved > ?1";
        let counted = self.first(sql, [since], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(counted.unwrap_or_default())
    }

    fn each_past(&self, each: EachPast<'_>) -> Result<(), Error> {
        let of_store = store_error(self.path);
        // The repairs of one object do not overlap, so they end in the order in which they were
        // reserved, and there is an index for that order.
        let sql = "SELECT job, reserved, coalesce(ended, lease_until), outcome FROM repair \
            WHERE host = ?1 AND service = ?2 ORDER BY reserved DESC";
        let past = |row: &Row<'_>| {
            Ok(RecordedRepair {
                job: row.get(0)?,
                reserved: row.get(1)?,
                ended: row.get(2)?,
                outcome: row.get(3)?,
            })
        };
        let mut repairs = self.store.prepare(sql).map_err(&of_store)?;
        let mut repairs =
            repairs.query_map(params![self.host, self.service], past).map_err(&of_store)?;
        while let Some(past) = repairs.next().transpose().map_err(&of_store)? {
            if each(past)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn newest_refusal(&self, after: i64, before: i64) -> Result<Option<i64>, Error> {
        self.refusal("max", after, before)
    }

    fn oldest_refusal(&self, after: i64, before: i64) -> Result<Option<i64>, Error> {
        self.refusal("min", after, before)
    }

    fn after_gaps(&self, quiet: i64, after: i64) -> Result<Vec<i64>, Error> {
        let sql = "SELECT at FROM refusal INDEXED BY refusal_by_gap \
             WHERE host = ?1 AND service = ?2 AND gap >= ?3 AND at > ?4";
        self.rows(sql, params![self.host, self.service, quiet, after], |row| row.get(0))
    }
}
