//! Reads the records that show how long an object has been in trouble from SQLite.

use std::time::SystemTime;

use policy::{Event, Horizon, REFUSALS_KEPT, ReasonCode, RecordedHistory};
use rusqlite::{Connection, Statement, params};

use super::row::{millis, object, span_millis};
use crate::trouble::{Refusals, Walk};

/// Selects the repairs of one object, the newest first. A repair whose worker died has no recorded
/// end, so it counts as ended when its lease ends. The repairs of one object do not overlap, so
/// they end in the order in which they were reserved, and there is an index for that order.
const REPAIRS: &str = "SELECT job, reserved, coalesce(ended, lease_until), outcome FROM repair \
    WHERE host = ?1 AND service = ?2 ORDER BY reserved DESC";

/// Selects the refusals that came at least ?3 after the previous one. The policy's `healthy_for`
/// and [`REFUSALS_KEPT`] bound their number. Usually there are only a few, because each of them
/// begins a new incident.
const AFTER_GAPS: &str = "SELECT at FROM refusal INDEXED BY refusal_by_gap \
    WHERE host = ?1 AND service = ?2 AND gap >= ?3 AND at > ?4";

/// Reads the repairs of an object, from the newest back in time, and the refusals that show whether
/// its incident went on. `reset` is the time of the last reset.
pub(super) fn read(
    store: &Connection,
    event: &Event,
    horizon: &Horizon,
    reset: Option<i64>,
    now: SystemTime,
) -> rusqlite::Result<RecordedHistory> {
    let refusals = SqliteRefusals::of(store, event, now)?;
    let mut walk = Walk::begin(refusals, horizon, reset, now)?;
    let (host, service) = object(event);
    let mut rows = store.prepare(REPAIRS)?;
    let mut rows = rows.query(params![host, service])?;
    while let Some(row) = rows.next()? {
        let outcome: Option<String> = row.get(3)?;
        if !walk.reach(row.get(0)?, [row.get(1)?, row.get(2)?], outcome.as_deref())? {
            break;
        }
    }
    Ok(walk.end())
}

struct SqliteRefusals<'a> {
    store: &'a Connection,
    host: Vec<u8>,
    service: Vec<u8>,
    kept_since: i64,
    newest: Statement<'a>,
}

impl<'a> SqliteRefusals<'a> {
    fn of(
        store: &'a Connection,
        event: &Event,
        now: SystemTime,
    ) -> rusqlite::Result<SqliteRefusals<'a>> {
        let (host, service) = object(event);
        let kept_since = millis(now).saturating_sub(span_millis(REFUSALS_KEPT));
        let newest = between(store, "max")?;
        Ok(SqliteRefusals { store, host, service, kept_since, newest })
    }
}

/// Prepares the query for the newest or the oldest refusal between two times, with the function
/// `max` or `min`.
fn between<'a>(store: &'a Connection, function: &str) -> rusqlite::Result<Statement<'a>> {
    store.prepare(&format!(
        "SELECT {function}(at) FROM refusal WHERE host = ?1 AND service = ?2 \
         AND at > ?3 AND at < ?4 AND reason <> '{}'",
        ReasonCode::SameEvent.as_str()
    ))
}

impl Refusals for SqliteRefusals<'_> {
    type Error = rusqlite::Error;

    fn newest_between(&mut self, after: i64, before: i64) -> rusqlite::Result<Option<i64>> {
        let keys = params![self.host, self.service, after.max(self.kept_since), before];
        self.newest.query_row(keys, |row| row.get(0))
    }

    fn oldest_between(&mut self, after: i64, before: i64) -> rusqlite::Result<Option<i64>> {
        let keys = params![self.host, self.service, after.max(self.kept_since), before];
        between(self.store, "min")?.query_row(keys, |row| row.get(0))
    }

    fn after_gaps(&mut self, quiet: i64) -> rusqlite::Result<Vec<i64>> {
        let keys = params![self.host, self.service, quiet, self.kept_since];
        self.store.prepare(AFTER_GAPS)?.query_map(keys, |row| row.get(0))?.collect()
    }
}
