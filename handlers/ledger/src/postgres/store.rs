//! Implements the [`Ledger`] trait on PostgreSQL.

use std::fs::File;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use policy::{
    Decision, Event, FleetUsage, History, Horizon, JobId, Pause, Reason, ReasonCode,
    RecordedHistory, RepairName,
};

use super::PostgresLedger;
use super::members::connect;
use crate::expiry::WITNESS_AGES;
use crate::history::{self, CLOCK_TOLERANCE};
use crate::row::{
    PAUSE, RECORD, REFUSAL, RESET, STEP, paused, record, refusal, reset, step, strict,
};
use crate::value::{Value, bytes, object, span_millis};
use crate::{
    Claim, Error, Filter, Ledger, LimitBounds, Paused, Record, Refusal, RefusalTotals,
    RepairOutcome, Reset, RungSession, RungStart, Running, Step, StepKind, SweepLock, locks,
};

/// Maximum number of repairs that [`Ledger::repairs_since`] returns.
const MOST_REPAIRS_SINCE: u32 = 100;

/// Maximum number of refusals, and of repairs, that one batch deletes.
const BATCH: u32 = 500;

impl Ledger for PostgresLedger {
    fn reserve(
        &mut self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<Result<RepairName, Reason>, Error> {
        self.reserve_repair(claim, clock, decide)
    }

    fn history(
        &mut self,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> Result<RecordedHistory, Error> {
        let now = self.connected()?.server_time(now);
        self.facts(Some(event)).history(event, horizon, now)
    }

    fn pause_of(&mut self, event: &Event, now: SystemTime) -> Result<Option<Pause>, Error> {
        let now = self.connected()?.server_time(now);
        history::paused(&self.facts(Some(event)), now)
    }

    /// Also renews the lease. Fails if the repair has ended. Also fails if the lease is over,
    /// because another server may then have started another repair on the host.
    fn begin_rung(
        &mut self,
        job: &JobId,
        now: SystemTime,
        rung: &RungStart<'_>,
        text: &str,
    ) -> Result<(), Error> {
        let sql = "WITH begun AS (UPDATE repair SET rung = $2, rung_gate = $3, rung_until = $4, \
                   lease_until = greatest(lease_until, $4) \
                   WHERE job = $1 AND ended IS NULL AND lease_until > $5 RETURNING job) \
                   INSERT INTO step (job, at, kind, rung, text) \
                   SELECT job, $5, $6, $2, $7 FROM begun";
        let session = self.connected()?;
        let row = [
            job.as_str().into(),
            rung.number.into(),
            Value::Bytes(rung.gate.map(|gate| bytes(Some(gate)))),
            session.millis(rung.deadline).into(),
            session.millis(now).into(),
            StepKind::Begun.as_str().into(),
            text.into(),
        ];
        match session.execute(sql, &row)? {
            1 => Ok(()),
            _ => Err(self.no_such_job(job)),
        }
    }

    fn step(
        &mut self,
        job: &JobId,
        now: SystemTime,
        kind: StepKind,
        rung: Option<u32>,
        text: &str,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO step (job, at, kind, rung, text) VALUES ($1, $2, $3, $4, $5)";
        let session = self.connected()?;
        let row = [
            job.as_str().into(),
            session.millis(now).into(),
            kind.as_str().into(),
            Value::Number(rung.map(i64::from)),
            text.into(),
        ];
        session.execute(sql, &row).map(drop)
    }

    fn share_lock(&mut self, job: &JobId) -> Result<File, Error> {
        match self.held.get_mut(job) {
            Some(lock) => lock.share(),
            None => Err(self.no_such_job(job)),
        }
    }

    fn stop_overdue(&mut self, host: &str) -> Result<(), Error> {
        let here = self.running()?.into_iter().filter(|one| one.record.host == host);
        let orphans = here.filter_map(|one| locks::orphan(&self.local, &one.record.job));
        orphans.filter(RungSession::is_overdue).for_each(|session| session.kill());
        Ok(())
    }

    fn renew(&mut self, job: &JobId, until: SystemTime) -> Result<(), Error> {
        let sql = "UPDATE repair SET lease_until = greatest(lease_until, $2) \
                   WHERE job = $1 AND ended IS NULL";
        let session = self.connected()?;
        let until = session.millis(until);
        session.execute(sql, &[job.as_str().into(), until.into()]).map(drop)
    }

    fn finish(
        &mut self,
        job: &JobId,
        now: SystemTime,
        outcome: RepairOutcome,
        text: &str,
    ) -> Result<(), Error> {
        let sql = "UPDATE repair SET ended = $2, outcome = $3, text = $4 \
                   WHERE job = $1 AND ended IS NULL";
        let session = self.connected()?;
        let ended = session.millis(now);
        let row = [job.as_str().into(), ended.into(), outcome.as_str().into(), text.into()];
        let changed = session.execute(sql, &row)?;
        self.held.remove(job);
        locks::forget(&self.local, job.as_str());
        match changed {
            1 => Ok(()),
            // The server recorded an earlier call, but its answer was lost.
            _ if self.has_ended_as(job, outcome, text)? => Ok(()),
            _ => Err(self.no_such_job(job)),
        }
    }

    fn running(&mut self) -> Result<Vec<Running>, Error> {
        let now = self.connected()?.millis(SystemTime::now());
        let sql = format!(
            "SELECT {RECORD}, origin, lease_until FROM repair \
             WHERE site = $1 AND ended IS NULL ORDER BY reserved"
        );
        let mut running = Vec::new();
        for row in self.session.query(&sql, &[self.site()])? {
            let record = record(&row, strict)?;
            // Only the server that reserved a repair can see whether its processes are alive. On
            // other servers, a repair counts as alive until its lease is over.
            let is_ours = row.text(13)? == self.origin;
            let alive = match is_ours {
                true => locks::is_alive(&self.local, &record.job),
                false => row.integer(14)? > now,
            };
            // A worker releases its lock after it has recorded the end. If the lock is free, the
            // repair may have ended after we read the table, so check again.
            if alive || !self.has_ended(&record.job)? {
                running.push(Running { record, alive, is_ours });
            }
        }
        Ok(running)
    }

    fn fleet(&mut self, window: Duration, now: SystemTime) -> Result<FleetUsage, Error> {
        let now = self.connected()?.server_time(now);
        history::fleet(&self.facts(None), window, now)
    }

    fn each_repair(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.search_repairs(filter, each)
    }

    fn each_refusal(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Refusal) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.search_refusals(filter, each)
    }

    fn count_refused(&mut self, filter: &Filter<'_>) -> Result<u32, Error> {
        self.number_of_refusals(filter)
    }

    fn refusal_totals(
        &mut self,
        filter: &Filter<'_>,
        by_object: Option<ReasonCode>,
    ) -> Result<RefusalTotals, Error> {
        self.totals_of_refusals(filter, by_object)
    }

    fn jobs(&mut self, prefix: &str) -> Result<Vec<Record>, Error> {
        self.search_jobs(prefix)
    }

    fn steps(&mut self, job: &JobId) -> Result<Vec<Step>, Error> {
        let sql = format!("SELECT {STEP} FROM step WHERE job = $1 ORDER BY id");
        self.all(&sql, &[job.as_str().into()], |row| step(row))
    }

    fn repairs_since(&mut self, event: &Event, since: SystemTime) -> Result<Vec<Record>, Error> {
        let sql = format!(
            "SELECT {RECORD} FROM repair WHERE site = $1 AND host = $2 AND service = $3 \
             AND reserved > $4 ORDER BY reserved DESC, id DESC LIMIT {MOST_REPAIRS_SINCE}"
        );
        let keys = self.object_since(event, since)?;
        self.all(&sql, &keys, |row| record(row, strict))
    }

    fn last_refusal(&mut self, event: &Event, since: SystemTime) -> Result<Option<Refusal>, Error> {
        let sql = format!(
            "SELECT {REFUSAL} FROM refusal WHERE site = $1 AND host = $2 AND service = $3 \
             AND at > $4 ORDER BY at DESC, id DESC LIMIT 1"
        );
        let keys = self.object_since(event, since)?;
        Ok(self.all(&sql, &keys, |row| refusal(row, strict))?.pop())
    }

    fn repair_of(&mut self, job: &JobId) -> Result<Option<Record>, Error> {
        let sql = format!("SELECT {RECORD} FROM repair WHERE job = $1");
        Ok(self.all(&sql, &[job.as_str().into()], |row| record(row, strict))?.pop())
    }

    fn refusal_of(&mut self, job: &JobId, since: SystemTime) -> Result<Option<Refusal>, Error> {
        let sql = format!("SELECT {REFUSAL} FROM refusal WHERE job = $1 AND at >= $2");
        let since = self.connected()?.millis(since);
        let keys = [job.as_str().into(), since.into()];
        Ok(self.all(&sql, &keys, |row| refusal(row, strict))?.pop())
    }

    fn may_be_held_back(
        &mut self,
        bounds: &LimitBounds,
        now: SystemTime,
    ) -> Result<Vec<(String, Option<String>, String)>, Error> {
        self.objects_near_limits(bounds, now)
    }

    fn limits_history(
        &mut self,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> Result<RecordedHistory, Error> {
        let now = self.connected()?.server_time(now);
        history::read_for_limits(&self.facts(Some(event)), horizon, now)
    }

    fn unknown_since(&mut self, since: SystemTime) -> Result<Vec<Record>, Error> {
        self.unknown_outcomes(since)
    }

    fn pause(&mut self, pause: &Paused) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO pause (site, {PAUSE}) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (site, host, service) DO UPDATE SET by_whom = excluded.by_whom, \
             reason = excluded.reason, since = excluded.since, until = excluded.until"
        );
        let site = self.site();
        let session = self.connected()?;
        let row = [
            site,
            bytes(pause.host.as_deref()).into(),
            bytes(pause.service.as_deref()).into(),
            pause.by.as_str().into(),
            pause.reason.as_str().into(),
            session.millis(pause.since).into(),
            Value::Number(pause.until.map(|until| session.millis(until))),
        ];
        session.execute(&sql, &row).map(drop)
    }

    fn resume(
        &mut self,
        host: Option<&str>,
        service: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<Paused>, Error> {
        let site = self.site();
        let session = self.connected()?;
        let over = "DELETE FROM pause WHERE site = $1 AND until <= $2";
        session.execute(over, &[site.clone(), session.millis(now).into()])?;
        let sql = format!(
            "DELETE FROM pause WHERE site = $1 AND host = $2 AND service = $3 RETURNING {PAUSE}"
        );
        let scope = [site, bytes(host).into(), bytes(service).into()];
        Ok(self.all(&sql, &scope, |row| paused(row))?.pop())
    }

    fn pauses(&mut self, now: SystemTime) -> Result<Vec<Paused>, Error> {
        let sql = format!(
            "SELECT {PAUSE} FROM pause WHERE site = $1 AND (until IS NULL OR until > $2) \
             ORDER BY host, service"
        );
        let now = self.connected()?.millis(now);
        self.all(&sql, &[self.site(), now.into()], |row| paused(row))
    }

    fn reset(&mut self, reset: &Reset) -> Result<(), Error> {
        let sql = format!("INSERT INTO reset (site, {RESET}) VALUES ($1, $2, $3, $4, $5, $6)");
        let site = self.site();
        let session = self.connected()?;
        let row = [
            site,
            session.millis(reset.at).into(),
            bytes(Some(&reset.host)).into(),
            bytes(reset.service.as_deref()).into(),
            reset.by.as_str().into(),
            reset.reason.as_str().into(),
        ];
        session.execute(&sql, &row).map(drop)
    }

    fn last_reset(&mut self, event: &Event, now: SystemTime) -> Result<Option<Reset>, Error> {
        let sql = format!(
            "SELECT {RESET} FROM reset WHERE site = $1 AND host = $2 AND service = $3 \
             AND at <= $4 ORDER BY at DESC LIMIT 1"
        );
        let (host, service) = object(event);
        let until = self.connected()?.millis(now + CLOCK_TOLERANCE);
        let keys =
            |service: Vec<u8>| [self.site(), host.clone().into(), service.into(), until.into()];
        let (of_host, of_object) = (keys(Vec::new()), keys(service));
        let of_host = self.all(&sql, &of_host, |row| reset(row))?;
        let of_object = self.all(&sql, &of_object, |row| reset(row))?;
        Ok(of_host.into_iter().chain(of_object).max_by_key(|reset| reset.at))
    }

    fn expire(&mut self, keep: Option<Duration>, now: SystemTime) -> Result<bool, Error> {
        let site = self.site();
        let session = self.connected()?;
        let before = |age| session.millis(now).saturating_sub(span_millis(age));
        let [latest, earliest] = WITNESS_AGES.map(before);
        let witnesses =
            session.number(WITNESSES, &[site.clone(), earliest.into(), latest.into()])?;
        if witnesses == 0 {
            return Ok(false);
        }
        // No repair ended before 1970, so the time 0 deletes no repair.
        let ended = keep.map_or(0, before);
        let keys = [site, before(policy::REFUSALS_KEPT).into(), ended.into(), BATCH.into()];
        let more = session.number("SELECT expire($1, $2, $3, $4)::int::bigint", &keys)?;
        Ok(more == 1)
    }

    /// Holds the lock on a connection of its own, so that the server releases it if this machine
    /// dies.
    fn lock_sweep(&mut self) -> Result<Option<SweepLock>, Error> {
        let session = connect(&self.config, self.purpose)?;
        let sql = "SELECT pg_try_advisory_lock(hashtextextended('nagios-selfheal sweep ' || $1, \
                   0))::int::bigint";
        let is_locked = session.number(sql, &[self.site()])? == 1;
        Ok(is_locked.then(|| SweepLock(Box::new(session))))
    }
}

/// The query's result is 0 if neither a refusal nor a repair shows that the clock is right.
const WITNESSES: &str = "SELECT EXISTS (SELECT FROM refusal WHERE site = $1 AND at BETWEEN $2 AND $3)\
     ::int::bigint + EXISTS (SELECT FROM repair WHERE site = $1 AND reserved BETWEEN $2 AND $3)\
     ::int::bigint";
