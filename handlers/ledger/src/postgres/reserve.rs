//! Reserves a repair in one transaction.

use std::time::{Duration, SystemTime};

use policy::{Decision, History, JobId, Reason, ReasonCode, RepairName};

use super::PostgresLedger;
use super::history::Lapsed;
use super::session::Statement;
use super::timeline;
use crate::forgotten::{ENDED_PER_DECISION, FORGOTTEN_AFTER, ending};
use crate::locks::{self, WorkerLock};
use crate::server_fault::ServerFault;
use crate::value::{millis, object, span_millis};
use crate::{Claim, Error};

/// The result of a decision: the name of the reserved repair and the lock of its worker, or the
/// reason for a refusal.
type Granted = Result<(RepairName, WorkerLock), Reason>;

impl PostgresLedger {
    /// Decides while holding the lock of the site, and commits the result.
    pub(super) fn reserve_repair(
        &mut self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<Result<RepairName, Reason>, Error> {
        self.connected()?;
        let decided = self.decide(claim, clock, decide);
        let (granted, last) = decided.inspect_err(|_| self.session.roll_back())?;
        match granted {
            Err(why) => {
                // A crash may undo the refusal, which is harmless because nothing was repaired.
                self.session.commit_unflushed(last)?;
                Ok(Err(why))
            }
            Ok((name, lock)) => {
                self.session.commit(last)?;
                self.held.insert(claim.job.clone(), lock);
                Ok(Ok(name))
            }
        }
    }

    /// Begins a transaction, locks the site, reads the history and the clock, and decides. Returns
    /// the result and the statements that record it. Each step takes only one round trip, because
    /// all other servers wait until the transaction ends.
    fn decide(
        &self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<(Granted, Vec<Statement>), Error> {
        let site = self.lock_site()?;
        self.check_successor()?;
        // Waiting for the lock can take a while, so read the clock only now.
        let facts = self.facts(Some(claim.event));
        facts.read_clock()?;
        let now = self.session.server_time(clock());
        self.check_timeline(&site, claim.lease, now)?;
        let (_, lapsed) = facts.open(millis(now))?;
        self.end_forgotten(&lapsed, now)?;
        let recorded = facts.history(claim.event, &claim.horizon, now)?;
        match decide(&History { recorded, observed: claim.observed }) {
            Decision::Repair(name) => {
                self.end_lapsed(&lapsed, &object(claim.event).0)?;
                // No other process may see the reservation before its lock is held, so acquire the
                // lock first.
                let lock = WorkerLock::acquire(&self.local, claim.job)?;
                let mut last = vec![self.repair_row(claim, &name, now)];
                last.extend(self.longer_lease(&site, claim.lease));
                Ok((Ok((name, lock)), last))
            }
            Decision::NoAction(why) => {
                let refusal = self.refusal_row(claim, &why, now);
                Ok((Err(why), vec![refusal]))
            }
        }
    }

    /// Begins a transaction and locks the site.
    fn lock_site(&self) -> Result<SiteRow, Error> {
        let sql = "SELECT timeline, next_timeline, failed_over, longest_lease, timeline() \
                   FROM site WHERE name = $1 FOR UPDATE";
        let begin = ("BEGIN".to_owned(), Vec::new());
        let mut rows = self.session.all_rows(&[begin, (sql.to_owned(), vec![self.site()])])?;
        let rows = self.session.own(rows.pop().unwrap_or_default());
        let Some(row) = rows.first() else {
            return Err(self.session.no_site(format!("has no site {}", self.config.site)));
        };
        Ok(SiteRow {
            timeline: row.text(0)?,
            next_timeline: row.text(1)?,
            failed_over: row.integer(2)?,
            longest_lease: row.integer(3)?,
            current: row.text(4)?,
        })
    }

    /// Checks that no other worker on this machine has found a server that has replaced ours.
    fn check_successor(&self) -> Result<(), Error> {
        let newest = timeline::remembered(&self.local);
        match newest.is_some_and(|newest| self.session.timeline.is_older_than(&newest)) {
            true => Err(self.session.given_up(ServerFault::Stale)),
            false => Ok(()),
        }
    }

    /// Checks that no other server has taken over within the time of the longest lease. After a
    /// takeover, the new server may lack the last reservations, whose workers may still be running.
    /// The new server may also lack the record of the longest lease, so `lease`, the lease of the
    /// requested repair, counts as well.
    fn check_timeline(
        &self,
        site: &SiteRow,
        lease: Duration,
        now: SystemTime,
    ) -> Result<(), Error> {
        if site.current == site.timeline {
            return Ok(());
        }
        let is_known = site.current == site.next_timeline;
        let since = if is_known { site.failed_over } else { millis(now) };
        let longest = site.longest_lease.max(span_millis(lease));
        let left = since.saturating_add(longest).saturating_sub(millis(now));
        if left <= 0 {
            let sql = "UPDATE site SET timeline = $2, next_timeline = NULL, failed_over = NULL \
                       WHERE name = $1";
            self.session.execute(sql, &[self.site(), site.current.as_str().into()])?;
            return Ok(());
        }
        if !is_known {
            let sql = "UPDATE site SET next_timeline = $2, failed_over = $3 WHERE name = $1";
            let keys = [self.site(), site.current.as_str().into(), since.into()];
            self.session.execute(sql, &keys)?;
            self.session.commit(Vec::new())?;
        }
        let (server, database) = (self.session.server.clone(), self.session.database.clone());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Err(Error::FailedOver { server, database, left })
    }

    /// Records the end of a few forgotten repairs of any host.
    fn end_forgotten(&self, lapsed: &[Lapsed], now: SystemTime) -> Result<(), Error> {
        let overdue = millis(now).saturating_sub(span_millis(FORGOTTEN_AFTER));
        let forgotten = lapsed.iter().filter(|open| open.lease_until < overdue);
        forgotten.take(ENDED_PER_DECISION).try_for_each(|open| self.end(open))
    }

    /// Records the end of a host's repairs that have a dead worker and an expired lease. The
    /// database allows only one repair without a recorded end for each host.
    fn end_lapsed(&self, lapsed: &[Lapsed], host: &[u8]) -> Result<(), Error> {
        lapsed.iter().filter(|open| open.host == host).try_for_each(|open| self.end(open))
    }

    fn end(&self, open: &Lapsed) -> Result<(), Error> {
        let sql = "UPDATE repair SET ended = lease_until, outcome = $2, text = $3 \
                   WHERE job = $1 AND ended IS NULL";
        let (outcome, text) = ending(&open.job, open.rung);
        let row = [open.job.as_str().into(), outcome.as_str().into(), text.as_str().into()];
        self.session.execute(sql, &row)?;
        // The ID is part of a path, so do not use it unless it is valid.
        if open.job.parse::<JobId>().is_ok() {
            locks::forget(&self.local, &open.job);
        }
        Ok(())
    }

    /// Returns the statement that records a reservation.
    fn repair_row(&self, claim: &Claim<'_>, name: &RepairName, now: SystemTime) -> Statement {
        let sql = "INSERT INTO repair (site, job, server, origin, host, service, repair, problem, \
                   event, reserved, lease_until) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let (host, service) = object(claim.event);
        let row = vec![
            self.site(),
            claim.job.as_str().into(),
            self.server.as_str().into(),
            self.origin.as_str().into(),
            host.into(),
            service.into(),
            name.as_str().into(),
            claim.event.problem_id.as_deref().unwrap_or_default().into(),
            claim.event.change().as_str().into(),
            millis(now).into(),
            millis(now + claim.lease).into(),
        ];
        (sql.to_owned(), row)
    }

    /// Returns the statement that records a refusal.
    fn refusal_row(&self, claim: &Claim<'_>, why: &Reason, now: SystemTime) -> Statement {
        let sql = "INSERT INTO refusal \
                   (site, at, job, server, host, service, event, reason, text, gap) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $8 <> $10 THEN $2 - \
                   (SELECT max(at) FROM refusal WHERE site = $1 AND host = $5 AND service = $6 \
                   AND at <= $2 AND reason <> $10) END)";
        let (host, service) = object(claim.event);
        let row = vec![
            self.site(),
            millis(now).into(),
            claim.job.as_str().into(),
            self.server.as_str().into(),
            host.into(),
            service.into(),
            claim.event.change().as_str().into(),
            why.code().as_str().into(),
            why.to_string().as_str().into(),
            ReasonCode::SameEvent.as_str().into(),
        ];
        (sql.to_owned(), row)
    }

    /// Returns the statement that stores the longest lease of any repair, if `lease` is longer.
    /// When another server takes over, nothing is repaired for this long.
    fn longer_lease(&self, site: &SiteRow, lease: Duration) -> Option<Statement> {
        let sql = "UPDATE site SET longest_lease = $2 WHERE name = $1";
        let lease = span_millis(lease);
        (lease > site.longest_lease).then(|| (sql.to_owned(), vec![self.site(), lease.into()]))
    }
}

/// The row of a site, and the timeline of the server that returned it.
struct SiteRow {
    /// Timeline of the server on which repairs are allowed.
    timeline: String,
    /// Timeline of a server that has taken over; empty if there is none.
    next_timeline: String,
    /// When a worker first noticed that the server with this timeline had taken over, in
    /// milliseconds since 1970.
    failed_over: i64,
    longest_lease: i64,
    /// Timeline of the server that returned the row.
    current: String,
}
