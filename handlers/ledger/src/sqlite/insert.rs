//! Writes repairs, refusals and steps.

use std::time::SystemTime;

use policy::{JobId, Reason, ReasonCode, RepairName};
use rusqlite::{Connection, params};

use super::retention;
use crate::value::{millis, object};
use crate::{Claim, StepKind};

/// How many expired refusals are deleted whenever a new one is added. Because this is more than
/// one, the table does not grow forever even if no sweep runs. Deleting only a few hardly prolongs
/// the time for which the decision lock is held.
const EXPIRED_PER_REFUSAL: u32 = 4;

/// Value of the column `site`. An SQLite ledger serves one server, so all rows have the same site.
const SITE: &str = "main";

pub(super) fn repair(
    store: &Connection,
    claim: &Claim<'_>,
    name: &RepairName,
    server: &str,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let (host, service) = object(claim.event);
    let sql = "INSERT INTO repair (job, site, server, host, service, repair, problem, event, \
               reserved, lease_until, rung, text) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, '')";
    let row = params![
        claim.job.as_str(),
        SITE,
        server,
        host,
        service,
        name.as_str(),
        claim.event.problem_id.as_deref().unwrap_or_default(),
        claim.event.change(),
        millis(now),
        millis(now + claim.lease),
    ];
    store.execute(sql, row).map(drop)
}

pub(super) fn refusal(
    store: &Connection,
    claim: &Claim<'_>,
    why: &Reason,
    server: &str,
    now: SystemTime,
) -> rusqlite::Result<()> {
    retention::delete_few_refusals(store, now, EXPIRED_PER_REFUSAL)?;
    let (host, service) = object(claim.event);
    let sql = "INSERT INTO refusal \
               (at, job, site, server, host, service, event, reason, text, gap) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, CASE WHEN ?8 <> ?10 THEN ?1 - \
               (SELECT max(at) FROM refusal WHERE host = ?5 AND service = ?6 AND at <= ?1 \
               AND reason <> ?10) END)";
    let row = params![
        millis(now),
        claim.job.as_str(),
        SITE,
        server,
        host,
        service,
        claim.event.change(),
        why.code().as_str(),
        why.to_string(),
        ReasonCode::SameEvent.as_str(),
    ];
    store.execute(sql, row).map(drop)
}

pub(super) fn step(
    store: &Connection,
    job: &JobId,
    now: SystemTime,
    kind: StepKind,
    rung: Option<u32>,
    text: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO step (job, at, kind, rung, text) VALUES (?1, ?2, ?3, ?4, ?5)";
    store.execute(sql, params![job.as_str(), millis(now), kind.as_str(), rung, text]).map(drop)
}
