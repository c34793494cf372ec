//! Queries that cover all objects, for `check_repairs` and `repairctl status`. They run every few
//! minutes on ledgers of any size.

use std::time::SystemTime;

use super::PostgresLedger;
use crate::row::{Columns, RECORD, lossy, name, record};
use crate::value::{given, span_millis};
use crate::{Error, LimitBounds, Record, RepairOutcome};

/// Selects the objects of the site $1 that may have reached a limit, each with the name of its
/// newest repair. $2 is the current time, $3 the start of the recent period, $4 `healthy_for`, and
/// $5 `fewest`. The comment on the query for SQLite explains which objects these are. Without
/// OFFSET 0, the planner would read all repairs of an object instead of only the recent ones.
pub(super) const MAY_BE_HELD_BACK: &str = "\
    SELECT host, service, \
        (SELECT repair FROM repair \
         WHERE site = $1 AND repair.host = object.host AND repair.service = object.service \
         ORDER BY reserved DESC, id DESC LIMIT 1) \
    FROM ( \
        SELECT host, service FROM ( \
            SELECT host, service, count(*) AS many, min(reserved) AS first FROM ( \
                (SELECT host, service, reserved FROM repair WHERE site = $1 AND ended > $3 OFFSET 0) \
                UNION ALL \
                (SELECT host, service, reserved FROM repair \
                 WHERE site = $1 AND ended IS NULL AND lease_until > $3 OFFSET 0) \
            ) AS one GROUP BY host, service \
        ) AS recent WHERE many >= $5 OR first < $3 + $4 OR EXISTS ( \
            SELECT FROM refusal WHERE site = $1 \
            AND refusal.host = recent.host AND refusal.service = recent.service \
            AND at > first - $4 AND at < first) \
        UNION (SELECT host, service FROM refusal WHERE site = $1 AND at > $2 - $4 \
            INTERSECT \
            SELECT host, service FROM refusal \
            WHERE site = $1 AND at > $2 - 2 * $4 AND at <= $2 - $4) \
    ) AS object ORDER BY host, service";

/// Returns the query for the repairs of the site $1 that ended after $2 with the outcome $3.
pub(super) fn ended_since() -> String {
    format!(
        "SELECT {RECORD} FROM repair WHERE site = $1 AND ended > $2 AND outcome = $3 \
         ORDER BY ended DESC"
    )
}

impl PostgresLedger {
    pub(super) fn objects_near_limits(
        &mut self,
        bounds: &LimitBounds,
        now: SystemTime,
    ) -> Result<Vec<(String, Option<String>, String)>, Error> {
        let now = self.connected()?.millis(now);
        // Cap the durations at the current time, so that the sums in the query cannot overflow.
        let healthy_for = span_millis(bounds.healthy_for).min(now);
        let recent = now - span_millis(bounds.window).max(healthy_for.saturating_mul(2)).min(now);
        let keys =
            [self.site(), now.into(), recent.into(), healthy_for.into(), bounds.fewest.into()];
        let objects = self.all(MAY_BE_HELD_BACK, &keys, |row| {
            // An object whose repairs were all refused has no repair on record, so it is left out.
            Ok(match row.raw(2)? {
                None => None,
                Some(_) => Some((name(row, 0)?, given(name(row, 1)?), lossy(row, 2)?)),
            })
        })?;
        Ok(objects.into_iter().flatten().collect())
    }

    pub(super) fn unknown_outcomes(&mut self, since: SystemTime) -> Result<Vec<Record>, Error> {
        let since = self.connected()?.millis(since);
        let keys = [self.site(), since.into(), RepairOutcome::Unknown.as_str().into()];
        self.all(&ended_since(), &keys, |row| record(row, lossy))
    }
}
