//! Reads the records that show how long an object has been in trouble: its repairs, and the
//! refusals between them.

use std::time::SystemTime;

use policy::{Event, Horizon, PastOutcome, PastRepair, REFUSALS_KEPT, ReasonCode, RecordedHistory};
use rusqlite::{Connection, Row, Statement, params};

use super::row::{age, millis, object, span_millis};
use crate::RepairOutcome;

/// How many repairs beyond an incident's budget are always read, even if fewer would be enough to
/// refuse. The reason for a refusal states how many repairs there were.
const READ_BEYOND_BUDGET: usize = 100;

/// Selects the repairs of one object, the newest first. A repair whose worker died has no recorded
/// end, so it counts as ended when its lease ends. The repairs of one object do not overlap, so
/// they end in the order in which they were reserved, and there is an index for that order.
const REPAIRS: &str = "SELECT job, reserved, coalesce(ended, lease_until), outcome FROM repair \
    WHERE host = ?1 AND service = ?2 ORDER BY reserved DESC";

/// Reads the repairs of an object, from the newest back in time, and the refusals that show whether
/// its incident went on. `reset` is the time of the last reset. Stops as soon as no older record
/// can change the decision, which is the case in two situations:
///
/// - The repairs read so far reach back beyond the start of the incident, and no older repair
///   counts towards the cooldown or the window.
/// - The breaker is open. The first rule about the incident then refuses, no matter what the
///   older records contain.
///
/// The policy's limits therefore bound the number of rows. Only repairs that could not run are read
/// all the way back to the start of the incident, because no limit counts them.
pub(super) fn read(
    store: &Connection,
    event: &Event,
    horizon: &Horizon,
    reset: Option<i64>,
    now: SystemTime,
) -> rusqlite::Result<RecordedHistory> {
    let mut walk = Walk::begin(Refusals::of(store, event, now)?, horizon, reset, now)?;
    let (host, service) = object(event);
    let mut rows = store.prepare(REPAIRS)?;
    let mut rows = rows.query(params![host, service])?;
    while let Some(row) = rows.next()? {
        let reached = walk.reach(past_repair(row, now)?, row.get(1)?, row.get(2)?)?;
        if !reached || walk.has_open_breaker() {
            break;
        }
    }
    walk.sort();
    Ok(walk.history)
}

/// A walk through the records of an object, back in time.
struct Walk<'a> {
    horizon: &'a Horizon,
    now: SystemTime,
    refusals: Refusals<'a>,
    history: RecordedHistory,
    /// The oldest sign of the incident so far, in milliseconds since 1970.
    since: i64,
    /// Whether the walk has passed the start of the incident.
    is_over: bool,
    /// Number of repairs at which the walk next checks whether the breaker is open.
    enough: usize,
}

impl<'a> Walk<'a> {
    fn begin(
        refusals: Refusals<'a>,
        horizon: &'a Horizon,
        reset: Option<i64>,
        now: SystemTime,
    ) -> rusqlite::Result<Walk<'a>> {
        let limits = &horizon.limits;
        let budget = usize::try_from(limits.per_incident.max(limits.breaker));
        let enough = budget.unwrap_or(usize::MAX).saturating_add(READ_BEYOND_BUDGET);
        let reset = reset.map(|at| age(at, now));
        let history = RecordedHistory { reset, ..RecordedHistory::default() };
        let since = millis(now);
        let mut walk = Walk { horizon, now, refusals, history, since, is_over: false, enough };
        walk.add_newest_refusal(since.saturating_sub(walk.quiet()), i64::MAX)?;
        Ok(walk)
    }

    /// Returns the length of the gap that ends an incident, in milliseconds.
    fn quiet(&self) -> i64 {
        span_millis(self.horizon.limits.healthy_for)
    }

    /// Goes back to the repair `past`. `began` and `ended` are its start and end, in milliseconds
    /// since 1970. Returns `false` if neither this repair nor any older one counts.
    fn reach(&mut self, past: PastRepair, began: i64, ended: i64) -> rusqlite::Result<bool> {
        self.is_over |= self.history.reset.is_some_and(|reset| past.ended >= reset);
        if !self.is_over {
            self.follow_refusals(ended)?;
            self.is_over = self.since.saturating_sub(ended) >= self.quiet();
        }
        if self.is_over && past.ended >= self.horizon.repairs() {
            return Ok(false);
        }
        if !self.is_over && past.outcome == PastOutcome::Healed {
            let relapse = span_millis(self.horizon.limits.relapse);
            self.add_newest_refusal(ended, ended.saturating_add(relapse))?;
        }
        self.history.repairs.push(past);
        self.since = self.since.min(began);
        Ok(true)
    }

    /// Follows refusals back towards `ended`, unless the gap after `ended` is too short to end the
    /// incident.
    fn follow_refusals(&mut self, ended: i64) -> rusqlite::Result<()> {
        let quiet = self.quiet();
        if self.since.saturating_sub(ended) >= quiet {
            for at in self.refusals.chain(ended, self.since, quiet)? {
                self.history.refused.push(age(at, self.now));
                self.since = at;
            }
        }
        Ok(())
    }

    fn add_newest_refusal(&mut self, after: i64, before: i64) -> rusqlite::Result<()> {
        let newest = self.refusals.newest_between(after, before)?;
        self.history.refused.extend(newest.map(|at| age(at, self.now)));
        Ok(())
    }

    /// Whether the repairs that were read have opened the breaker. Older repairs cannot close it.
    /// Counting takes time, so this returns `false` without counting until the number of repairs
    /// has doubled.
    fn has_open_breaker(&mut self) -> bool {
        if self.history.repairs.len() < self.enough {
            return false;
        }
        self.enough = self.enough.saturating_mul(2);
        self.sort();
        let limits = &self.horizon.limits;
        self.history.ineffective(limits) >= limits.breaker
    }

    fn sort(&mut self) {
        self.history.refused.sort_unstable();
        self.history.refused.dedup();
    }
}

fn past_repair(row: &Row<'_>, now: SystemTime) -> rusqlite::Result<PastRepair> {
    let word: Option<String> = row.get(3)?;
    let outcome = match word.as_deref().and_then(RepairOutcome::from_word) {
        Some(RepairOutcome::Healed) => PastOutcome::Healed,
        Some(RepairOutcome::CouldNotRun) => PastOutcome::NotRun,
        Some(RepairOutcome::NotHealed | RepairOutcome::Unknown) | None => PastOutcome::Failed,
    };
    Ok(PastRepair {
        job: row.get(0)?,
        began: age(row.get(1)?, now),
        ended: age(row.get(2)?, now),
        outcome,
    })
}

/// The refusals of one object within [`REFUSALS_KEPT`], whether or not older ones have been deleted
/// yet. Refusals with the reason `same-event` do not count. If Nagios repeats an event, that is not
/// a sign of new trouble.
struct Refusals<'a> {
    host: Vec<u8>,
    service: Vec<u8>,
    kept_since: i64,
    newest: Statement<'a>,
    oldest: Statement<'a>,
}

impl<'a> Refusals<'a> {
    fn of(store: &'a Connection, event: &Event, now: SystemTime) -> rusqlite::Result<Refusals<'a>> {
        let (host, service) = object(event);
        let kept_since = millis(now).saturating_sub(span_millis(REFUSALS_KEPT));
        let select = |what| {
            store.prepare(&format!(
                "SELECT {what}(at) FROM refusal WHERE host = ?1 AND service = ?2 \
                 AND at > ?3 AND at < ?4 AND reason <> ?5"
            ))
        };
        Ok(Refusals { host, service, kept_since, newest: select("max")?, oldest: select("min")? })
    }

    /// Returns the time of the newest refusal between two times, both exclusive.
    fn newest_between(&mut self, after: i64, before: i64) -> rusqlite::Result<Option<i64>> {
        let after = after.max(self.kept_since);
        let keys = params![self.host, self.service, after, before, ReasonCode::SameEvent.as_str()];
        self.newest.query_row(keys, |row| row.get(0))
    }

    /// Goes back in time from `since` to `until`, from one refusal to another, and returns the
    /// times of these refusals. Each step is as long as possible, but shorter than `quiet`. Any two
    /// steps together are at least as long as `quiet`, so the number of steps depends on `quiet`
    /// and [`REFUSALS_KEPT`], and not on the number of refusals.
    fn chain(&mut self, until: i64, since: i64, quiet: i64) -> rusqlite::Result<Vec<i64>> {
        let (mut chain, mut from) = (Vec::new(), since);
        let end = until.saturating_sub(1).max(self.kept_since);
        let repeated = ReasonCode::SameEvent.as_str();
        loop {
            let after = from.saturating_sub(quiet).max(end);
            let keys = params![self.host, self.service, after, from, repeated];
            let Some(at) = self.oldest.query_row(keys, |row| row.get(0))? else {
                return Ok(chain);
            };
            chain.push(at);
            from = at;
        }
    }
}
