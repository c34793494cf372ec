//! How it stands: what runs, what became of a job, and what happened to one object since it was
//! last in order.

use std::time::{Duration, SystemTime};

use policy::{Event, FleetNow, JobId};
use rusqlite::params;

use super::{
    RECORD, REFUSAL, SqliteLedger, given, locks, lossy, millis, past, record, refusal, strict,
};
use crate::{Error, Record, Refusal, Running};

impl SqliteLedger {
    /// All repairs that have not ended by the record, the oldest first.
    pub fn running(&mut self) -> Result<Vec<Running>, Error> {
        let records =
            self.rows(&format!("{RECORD} WHERE ended IS NULL ORDER BY reserved"), (), |row| {
                record(row, strict)
            })?;
        let mut running = Vec::new();
        for record in records {
            let alive = locks::is_alive(&self.path, &record.job);
            // A worker lets go of its lock once its end is on record: a free lock may mean that it
            // ended since we read.
            if alive || !self.has_ended(&record.job)? {
                running.push(Running { record, alive });
            }
        }
        Ok(running)
    }

    fn has_ended(&self, job: &str) -> Result<bool, Error> {
        let sql = "SELECT ended IS NOT NULL FROM repair WHERE job = ?1";
        Ok(self.rows(sql, [job], |row| row.get(0))?.pop().unwrap_or(true))
    }

    /// What all repairs together do, and did within `window`; the share in trouble is not known
    /// here.
    pub fn fleet(&mut self, window: Duration, now: SystemTime) -> Result<FleetNow, Error> {
        let lives = |job: &str| locks::is_alive(&self.path, job);
        past::fleet(&self.store, &lives, window, now).map_err(Self::failed(&self.path))
    }

    /// The repairs of an object that were reserved after `since`, the newest first.
    pub fn repairs_since(
        &mut self,
        event: &Event,
        since: SystemTime,
    ) -> Result<Vec<Record>, Error> {
        let (host, service) = past::object(event);
        let sql = format!(
            "{RECORD} WHERE host = ?1 AND service = ?2 AND reserved > ?3 ORDER BY reserved DESC, \
             rowid DESC"
        );
        self.rows(&sql, params![host, service, millis(since)], |row| record(row, strict))
    }

    /// The newest refusal of an object after `since`.
    pub fn last_refusal(
        &mut self,
        event: &Event,
        since: SystemTime,
    ) -> Result<Option<Refusal>, Error> {
        let (host, service) = past::object(event);
        let sql = format!(
            "{REFUSAL} WHERE host = ?1 AND service = ?2 AND at > ?3 ORDER BY at DESC, rowid DESC \
             LIMIT 1"
        );
        Ok(self
            .rows(&sql, params![host, service, millis(since)], |row| refusal(row, strict))?
            .pop())
    }

    /// What became of a job: its record, if it was granted.
    pub fn repair_of(&mut self, job: &JobId) -> Result<Option<Record>, Error> {
        Ok(self
            .rows(&format!("{RECORD} WHERE job = ?1"), [job.as_str()], |row| record(row, strict))?
            .pop())
    }

    /// What became of a job: its refusal, if it was refused.
    pub fn refusal_of(&mut self, job: &JobId, since: SystemTime) -> Result<Option<Refusal>, Error> {
        let sql = format!("{REFUSAL} WHERE at >= ?1 AND job = ?2");
        Ok(self.rows(&sql, params![millis(since), job.as_str()], |row| refusal(row, strict))?.pop())
    }

    /// The objects, with their repairs, that were repaired or refused one after `since`.
    pub fn in_trouble_since(
        &mut self,
        since: SystemTime,
    ) -> Result<Vec<(String, Option<String>, String)>, Error> {
        let sql = "SELECT DISTINCT repair.host, repair.service, repair FROM repair \
                   WHERE coalesce(ended, lease_until) > ?1 OR EXISTS \
                   (SELECT 1 FROM refusal WHERE refusal.host = repair.host AND refusal.service = \
                   repair.service AND at > ?1) \
                   ORDER BY 1, 2, 3";
        self.rows(sql, [millis(since)], |row| {
            Ok((lossy(row, 0)?, given(lossy(row, 1)?), lossy(row, 2)?))
        })
    }

    /// The repairs that ended after `since` with an outcome that nobody knows, the newest first.
    pub fn unknown_since(&mut self, since: SystemTime) -> Result<Vec<Record>, Error> {
        let sql = format!("{RECORD} WHERE outcome = 'unknown' AND ended > ?1 ORDER BY ended DESC");
        self.rows(&sql, [millis(since)], |row| record(row, lossy))
    }
}
