//! Queries that cover all objects, for `check_repairs` and `repairctl status`. They run every few
//! minutes on ledgers of any size, so each part of a query names the index that it uses.

use std::time::SystemTime;

use rusqlite::params;
use rusqlite::types::ValueRef;

use super::SqliteLedger;
use crate::row::{RECORD, lossy, name, record};
use crate::value::{given, millis, span_millis};
use crate::{Error, LimitBounds, Record, RepairOutcome};

/// Selects the objects that may have reached a limit, each with the name of its newest repair. ?1
/// is the current time and ?2 is the start of the recent period. ?3 and ?4 are the fields
/// `healthy_for` and `fewest` of [`LimitBounds`]. The recent period is at least as long as the
/// field `window`, and at least twice as long as `healthy_for`.
///
/// - An object with at least `fewest` repairs in the recent period may have reached a limit.
/// - An object with fewer repairs in that period can have reached a limit only if its incident also
///   includes an older repair. In this case, the older repair ended less than `healthy_for` before
///   the first recent repair, or a refusal came less than `healthy_for` before that repair.
/// - An object without a repair in that period can have reached a limit only if refusals have kept
///   its incident open. Such refusals follow each other at intervals shorter than `healthy_for`, so
///   there is at least one in each of the last two periods of `healthy_for`.
///
/// A repair whose worker died has no recorded end, so it counts as ended when its lease ends.
pub(super) const MAY_BE_HELD_BACK: &str = "\
    SELECT host, service, \
        (SELECT repair FROM repair INDEXED BY repair_by_object \
         WHERE repair.host = object.host AND repair.service = object.service \
         ORDER BY reserved DESC LIMIT 1) \
    FROM ( \
        SELECT host, service FROM ( \
            SELECT host, service, count(*) AS many, min(reserved) AS first FROM ( \
                SELECT host, service, reserved FROM repair INDEXED BY repair_by_end \
                WHERE ended > ?2 \
                UNION ALL \
                SELECT host, service, reserved FROM repair INDEXED BY repair_running \
                WHERE ended IS NULL AND lease_until > ?2 \
            ) GROUP BY host, service \
        ) AS recent WHERE many >= ?4 OR first < ?2 + ?3 OR EXISTS ( \
            SELECT 1 FROM refusal INDEXED BY refusal_by_object \
            WHERE refusal.host = recent.host AND refusal.service = recent.service \
            AND at > first - ?3 AND at < first) \
        UNION SELECT host, service FROM ( \
            SELECT host, service FROM refusal INDEXED BY refusal_by_time WHERE at > ?1 - ?3 \
            INTERSECT \
            SELECT host, service FROM refusal INDEXED BY refusal_by_time \
            WHERE at > ?1 - 2 * ?3 AND at <= ?1 - ?3) \
    ) AS object ORDER BY host, service";

/// Returns the query for the repairs that ended after ?1 with the outcome ?2.
pub(super) fn ended_since() -> String {
    format!(
        "SELECT {RECORD} FROM repair INDEXED BY repair_by_end \
         WHERE ended > ?1 AND outcome = ?2 ORDER BY ended DESC"
    )
}

impl SqliteLedger {
    pub(super) fn objects_near_limits(
        &self,
        bounds: &LimitBounds,
        now: SystemTime,
    ) -> Result<Vec<(String, Option<String>, String)>, Error> {
        // Cap the durations at the current time, so that the sums in the query cannot overflow.
        let [now, healthy_for] = [millis(now), span_millis(bounds.healthy_for).min(millis(now))];
        let recent = now - span_millis(bounds.window).max(healthy_for.saturating_mul(2)).min(now);
        let keys = params![now, recent, healthy_for, bounds.fewest];
        let objects = self.rows(MAY_BE_HELD_BACK, keys, |row| {
            // An object whose repairs were all refused has no repair on record, so it is left out.
            Ok(match row.get_ref(2)? {
                ValueRef::Null => None,
                _ => Some((name(row, 0)?, given(name(row, 1)?), lossy(row, 2)?)),
            })
        })?;
        Ok(objects.into_iter().flatten().collect())
    }

    pub(super) fn unknown_outcomes(&self, since: SystemTime) -> Result<Vec<Record>, Error> {
        let keys = params![millis(since), RepairOutcome::Unknown.as_str()];
        self.rows(&ended_since(), keys, |row| record(row, lossy))
    }
}
