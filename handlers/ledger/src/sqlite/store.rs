//! Implements the [`Ledger`] trait on SQLite.

use std::fs::File;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use policy::{
    Decision, Event, FleetUsage, History, Horizon, JobId, Pause, Reason, ReasonCode,
    RecordedHistory, RepairName,
};
use rusqlite::{OptionalExtension, TransactionBehavior, params};

use super::history::ObjectRecords;
use super::{SqliteLedger, forgotten, insert, store_error, unflushed};
use crate::history::{self, CLOCK_TOLERANCE};
use crate::locks::{self, DecisionLock, WorkerLock};
use crate::row::{
    PAUSE, RECORD, REFUSAL, RESET, STEP, paused, record, refusal, reset, step, strict,
};
use crate::value::{bytes, millis, object};
use crate::{
    Claim, Error, Filter, Ledger, LimitBounds, Paused, Record, Refusal, RefusalTotals,
    RepairOutcome, Reset, RungSession, RungStart, Running, Step, StepKind, SweepLock,
};

/// Maximum number of repairs that [`Ledger::repairs_since`] returns.
const MOST_REPAIRS_SINCE: u32 = 100;

impl Ledger for SqliteLedger {
    fn reserve(
        &mut self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<Result<RepairName, Reason>, Error> {
        // With this lock, processes wait in the kernel, in order of arrival. Without the lock,
        // SQLite would make them sleep and try again.
        let _decision_lock = DecisionLock::acquire(&self.path)?;
        let (path, server, of_store) = (&self.path, &self.server, store_error(&self.path));
        // An immediate transaction takes the write lock before it reads the history. No other
        // process can then decide on a history that we are about to change.
        let transaction = self
            .store
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&of_store)?;
        let now = clock();
        forgotten::end(&transaction, path, now).map_err(&of_store)?;
        let facts = ObjectRecords::of(&transaction, path, claim.event);
        let recorded = history::read(&facts, claim.event, &claim.horizon, now)?;
        match decide(&History { recorded, observed: claim.observed }) {
            Decision::Repair(name) => {
                // No other process may see the reservation before its lock is held, so acquire the
                // lock first.
                let lock = WorkerLock::acquire(path, claim.job)?;
                insert::repair(&transaction, claim, &name, server, now)
                    .and_then(|()| transaction.commit())
                    .map_err(&of_store)?;
                self.held.insert(claim.job.clone(), lock);
                Ok(Ok(name))
            }
            Decision::NoAction(why) => {
                transaction.commit().map_err(&of_store)?;
                // Do not flush, because the processes that wait for the lock would wait for the
                // flush as well. A power failure may undo the refusal, which is harmless because
                // nothing was repaired.
                let write = |store: &mut _| insert::refusal(store, claim, &why, server, now);
                unflushed(&mut self.store, write).map_err(&of_store)?;
                Ok(Err(why))
            }
        }
    }

    fn history(
        &mut self,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> Result<RecordedHistory, Error> {
        history::read(&self.facts(event), event, horizon, now)
    }

    fn pause_of(&mut self, event: &Event, now: SystemTime) -> Result<Option<Pause>, Error> {
        history::paused(&self.facts(event), now)
    }

    fn begin_rung(
        &mut self,
        job: &JobId,
        now: SystemTime,
        rung: &RungStart<'_>,
        text: &str,
    ) -> Result<(), Error> {
        let begun = (|| {
            let transaction = self.store.transaction()?;
            transaction.execute(
                "UPDATE repair SET rung = ?2, rung_gate = ?3, rung_until = ?4, \
                 lease_until = max(lease_until, ?4) WHERE job = ?1",
                params![
                    job.as_str(),
                    rung.number,
                    rung.gate.map(|gate| bytes(Some(gate))),
                    millis(rung.deadline)
                ],
            )?;
            insert::step(&transaction, job, now, StepKind::Begun, Some(rung.number), text)?;
            transaction.commit()
        })();
        self.named(begun)
    }

    fn step(
        &mut self,
        job: &JobId,
        now: SystemTime,
        kind: StepKind,
        rung: Option<u32>,
        text: &str,
    ) -> Result<(), Error> {
        // Do not flush this step. The next rung and the outcome are flushed, and this step with
        // them. If the power fails before that, the gate still reports how the rung ended.
        let written =
            unflushed(&mut self.store, |store| insert::step(store, job, now, kind, rung, text));
        self.named(written)
    }

    fn share_lock(&mut self, job: &JobId) -> Result<File, Error> {
        match self.held.get_mut(job) {
            Some(lock) => lock.share(),
            None => Err(self.no_such_job(job)),
        }
    }

    fn stop_overdue(&mut self, host: &str) -> Result<(), Error> {
        let here = self.running()?.into_iter().filter(|one| one.record.host == host);
        let orphans = here.filter_map(|one| locks::orphan(&self.path, &one.record.job));
        orphans.filter(RungSession::is_overdue).for_each(|session| session.kill());
        Ok(())
    }

    fn renew(&mut self, job: &JobId, until: SystemTime) -> Result<(), Error> {
        let sql = "UPDATE repair SET lease_until = max(lease_until, ?2) \
                   WHERE job = ?1 AND ended IS NULL";
        self.named(self.store.execute(sql, params![job.as_str(), millis(until)])).map(drop)
    }

    fn finish(
        &mut self,
        job: &JobId,
        now: SystemTime,
        outcome: RepairOutcome,
        text: &str,
    ) -> Result<(), Error> {
        let changed = self.named(self.store.execute(
            "UPDATE repair SET ended = ?2, outcome = ?3, text = ?4 \
             WHERE job = ?1 AND ended IS NULL",
            params![job.as_str(), millis(now), outcome.as_str(), text],
        ))?;
        self.held.remove(job);
        locks::forget(&self.path, job.as_str());
        if changed == 1 { Ok(()) } else { Err(self.no_such_job(job)) }
    }

    fn running(&mut self) -> Result<Vec<Running>, Error> {
        let sql = format!(
            "SELECT {RECORD} FROM repair INDEXED BY repair_running WHERE ended IS NULL ORDER BY reserved"
        );
        let mut running = Vec::new();
        for record in self.rows(&sql, (), |row| record(row, strict))? {
            let alive = self.is_alive(&record.job);
            // A worker releases its lock after it has recorded the end. If the lock is free, the
            // repair may have ended after we read the table, so check again.
            if alive || !self.has_ended(&record.job)? {
                running.push(Running { record, alive, is_ours: true });
            }
        }
        Ok(running)
    }

    fn fleet(&mut self, window: Duration, now: SystemTime) -> Result<FleetUsage, Error> {
        history::fleet(&ObjectRecords::of_fleet(&self.store, &self.path), window, now)
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
        self.rows(
            &format!("SELECT {STEP} FROM step WHERE job = ?1 ORDER BY id"),
            [job.as_str()],
            |row| step(row),
        )
    }

    fn repairs_since(&mut self, event: &Event, since: SystemTime) -> Result<Vec<Record>, Error> {
        let sql = format!(
            "SELECT {RECORD} FROM repair WHERE host = ?1 AND service = ?2 AND reserved > ?3 \
             ORDER BY reserved DESC, rowid DESC LIMIT {MOST_REPAIRS_SINCE}"
        );
        let (host, service) = object(event);
        self.rows(&sql, params![host, service, millis(since)], |row| record(row, strict))
    }

    fn last_refusal(&mut self, event: &Event, since: SystemTime) -> Result<Option<Refusal>, Error> {
        let sql = format!(
            "SELECT {REFUSAL} FROM refusal WHERE host = ?1 AND service = ?2 AND at > ?3 \
             ORDER BY at DESC, id DESC LIMIT 1"
        );
        let (host, service) = object(event);
        let keys = params![host, service, millis(since)];
        Ok(self.rows(&sql, keys, |row| refusal(row, strict))?.pop())
    }

    fn repair_of(&mut self, job: &JobId) -> Result<Option<Record>, Error> {
        let sql = format!("SELECT {RECORD} FROM repair WHERE job = ?1");
        Ok(self.rows(&sql, [job.as_str()], |row| record(row, strict))?.pop())
    }

    fn refusal_of(&mut self, job: &JobId, since: SystemTime) -> Result<Option<Refusal>, Error> {
        let sql = format!("SELECT {REFUSAL} FROM refusal WHERE job = ?1 AND at >= ?2");
        let keys = params![job.as_str(), millis(since)];
        Ok(self.rows(&sql, keys, |row| refusal(row, strict))?.pop())
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
        history::read_for_limits(&self.facts(event), horizon, now)
    }

    fn unknown_since(&mut self, since: SystemTime) -> Result<Vec<Record>, Error> {
        self.unknown_outcomes(since)
    }

    fn pause(&mut self, pause: &Paused) -> Result<(), Error> {
        let sql = format!("INSERT OR REPLACE INTO pause ({PAUSE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        let row = params![
            bytes(pause.host.as_deref()),
            bytes(pause.service.as_deref()),
            pause.by,
            pause.reason,
            millis(pause.since),
            pause.until.map(millis)
        ];
        self.named(self.store.execute(&sql, row)).map(drop)
    }

    fn resume(
        &mut self,
        host: Option<&str>,
        service: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<Paused>, Error> {
        self.named(self.store.execute("DELETE FROM pause WHERE until <= ?1", [millis(now)]))?;
        let sql = format!("DELETE FROM pause WHERE host = ?1 AND service = ?2 RETURNING {PAUSE}");
        let scope = params![bytes(host), bytes(service)];
        self.named(self.store.query_row(&sql, scope, |row| paused(row)).optional())
    }

    fn pauses(&mut self, now: SystemTime) -> Result<Vec<Paused>, Error> {
        let sql = format!(
            "SELECT {PAUSE} FROM pause WHERE until IS NULL OR until > ?1 ORDER BY host, service"
        );
        self.rows(&sql, [millis(now)], |row| paused(row))
    }

    fn reset(&mut self, reset: &Reset) -> Result<(), Error> {
        let sql =
            "INSERT INTO reset (at, host, service, by_whom, reason) VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![
            millis(reset.at),
            bytes(Some(&reset.host)),
            bytes(reset.service.as_deref()),
            reset.by,
            reset.reason
        ];
        self.named(self.store.execute(sql, row)).map(drop)
    }

    fn last_reset(&mut self, event: &Event, now: SystemTime) -> Result<Option<Reset>, Error> {
        let (host, service) = object(event);
        let sql = format!(
            "SELECT {RESET} FROM reset WHERE host = ?1 AND service = ?2 AND at <= ?3 ORDER BY at DESC LIMIT 1"
        );
        let until = millis(now + CLOCK_TOLERANCE);
        let of_host = self.rows(&sql, params![host, b"", until], |row| reset(row))?;
        let of_object = self.rows(&sql, params![host, service, until], |row| reset(row))?;
        Ok(of_host.into_iter().chain(of_object).max_by_key(|reset| reset.at))
    }

    fn expire(&mut self, keep: Option<Duration>, now: SystemTime) -> Result<bool, Error> {
        self.expire_batch(keep, now)
    }

    fn lock_sweep(&mut self) -> Result<Option<SweepLock>, Error> {
        Ok(locks::sweep(&self.path)?.map(|locked| SweepLock(Box::new(locked))))
    }
}

impl SqliteLedger {
    fn facts(&self, event: &Event) -> ObjectRecords<'_> {
        ObjectRecords::of(&self.store, &self.path, event)
    }

    fn no_such_job(&self, job: &JobId) -> Error {
        Error::NoSuchJob { ledger: self.path.display().to_string(), job: job.to_string() }
    }

    fn has_ended(&self, job: &str) -> Result<bool, Error> {
        let sql = "SELECT ended IS NOT NULL FROM repair WHERE job = ?1";
        Ok(self.rows(sql, [job], |row| row.get(0))?.pop().unwrap_or(true))
    }
}
