//! `repair NAME JOB` and `status JOB`: runs a repair once for each job ID, and reports its result.
//! The record is written before the repair starts and again after it has ended.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::answer::GateAnswer;
use crate::args::{GateArgs, GateCommand};
use crate::config::{RepairDefinition, RepairDefinitions};
use crate::context::{account, find, now};
use crate::durations::TimeLimit;
use crate::host::LocalHost;
use crate::output::clean;
use crate::ownership::UnusablePath;
use crate::record::{JobRecord, RunState};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::{Job, Name};
use crate::run::{self, ExecutedCommand, ExecutionFailure};
use crate::store::{HostLock, RecordStore};
use crate::stream::{LineStream, StreamEnd};
use crate::timeout::ProcessEnd;
use crate::{config_file, maintenance, rate_limit, stream, syslog, timestamps};

/// Reports the state of `job`.
pub(crate) fn status(args: &GateArgs, job: &Job) -> Result<GateAnswer, Rejection> {
    let host = LocalHost::read()?;
    match RecordStore::open(&args.state, host.uid)?.record(job)? {
        Some(record) => Ok(GateAnswer::Status(record.reported_at(now(&host)))),
        None => Err(RejectionReason::NoSuchJob.because(format!(
            "job {job} is unknown: this host has never run it, or its record has expired"
        ))),
    }
}

/// Runs the repair `name`, or reports the result of `job` if this job is already known.
pub(crate) fn repair(
    args: &GateArgs,
    name: &Name,
    job: &Job,
    peer: &str,
) -> Result<GateAnswer, Rejection> {
    let host = LocalHost::read()?;
    let store = RecordStore::open(&args.state, host.uid)?;
    if let Some(known) = store.record(job)? {
        return report_known(known, name, &host);
    }
    maintenance::check(&args.config)?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, name, &host)?;
    let may_run = || rate_limit::check(&store.history(name)?, name, repair, now(&host));
    // Check the limits without the lock first, so that a flood of requests over the limit does not
    // keep other requests from the lock. Do not refuse the request because of a running repair yet.
    // `wait_for_lock` refuses it if necessary, because only the lock shows whether the gate of that
    // repair is alive.
    may_run().or_else(|no| if no.reason == RejectionReason::Busy { Ok(()) } else { Err(no) })?;
    let _lock = match wait_for_lock(&store, job, &host)? {
        LockWait::Acquired(lock) => lock,
        LockWait::JobKnown(known) => return report_known(known, name, &host),
    };
    // Check again with the lock held, because two requests with the same job ID may have arrived at
    // the same time.
    if let Some(known) = store.record(job)? {
        return report_known(known, name, &host);
    }
    may_run()?;
    tidy(&store, &repairs, name, &host.boot)?;
    let record = JobRecord::beginning(job.clone(), name.clone(), now(&host), repair.longest_run());
    store.write(&record)?;
    syslog::info(&format!("{peer} requested the repair {name}, job {job}; starting it"));
    // Stream the output of the running repair only to a server, because only a server displays it.
    let lines = if args.command == GateCommand::Serve { stream::begin() } else { None };
    Ok(GateAnswer::Repair(run_recorded(&store, record, repair, account(repair, &host), lines)))
}

/// Moves the records of repairs that have ended to the directories of filed records. Then removes
/// the expired records of these repairs, of `name`, and of repairs that are no longer in
/// repairs.json.
fn tidy(
    store: &RecordStore,
    repairs: &RepairDefinitions,
    name: &Name,
    boot: &str,
) -> Result<(), UnusablePath> {
    let now = timestamps::now();
    let filed = store.file_ended(boot)?;
    let skip =
        |other: &Name| other != name && !filed.contains(other) && repairs.get(other).is_some();
    for name in store.names()?.iter().filter(|name| !skip(name)) {
        let retention = repairs
            .get(name)
            .map_or_else(|| repairs.longest_retention(), RepairDefinition::retention);
        store.prune(name, now - rate_limit::kept_for(retention))?;
    }
    Ok(())
}

/// Runs a repair. Its `record` is already on disk, so the run counts even if the gate crashes. If
/// the result cannot be written, the job stays "running" until its deadline and is "unknown"
/// afterwards.
fn run_recorded(
    store: &RecordStore,
    mut record: JobRecord,
    repair: &RepairDefinition,
    account: Option<&str>,
    lines: Option<(LineStream, StreamEnd)>,
) -> JobRecord {
    let (lines, rest) = lines.unzip();
    let limit = TimeLimit::of_repair(repair.timeout);
    complete(&mut record, run::run(&repair.run, account, limit, lines));
    if let Err(e) = store.write(&record) {
        let (job, state) = (&record.job, record.state.word());
        syslog::warn(&format!(
            "job {job} ended as {state}, but the gate could not record this: {e}"
        ));
    }
    if let Some(rest) = rest {
        rest.wait();
    }
    record
}

/// Adds the result of the command to its record. If the result is not known, the record stays
/// "running", because the command may still be running.
fn complete(record: &mut JobRecord, ran: ExecutedCommand) {
    (record.elapsed, record.output) = (ran.elapsed, ran.output);
    record.state = match ran.end {
        Ok(ProcessEnd::Exit(code)) => {
            record.exit = Some(code);
            if code == 0 { RunState::Done } else { RunState::Failed }
        }
        Ok(ProcessEnd::Signal(signal)) => {
            record.signal = Some(signal);
            RunState::Failed
        }
        Ok(ProcessEnd::TimedOut) => RunState::Timeout,
        Err(ExecutionFailure::NotStarted(why)) => {
            record.output.push(clean(&why, 300));
            RunState::Failed
        }
        Err(ExecutionFailure::Lost) => return,
    };
    record.ended = Some(timestamps::now().max(record.started));
}

/// Reports the result of a known job, which is never run again.
fn report_known(known: JobRecord, name: &Name, host: &LocalHost) -> Result<GateAnswer, Rejection> {
    if known.repair != *name {
        let (job, repair) = (&known.job, &known.repair);
        return Err(RejectionReason::BadRequest.because(format!(
            "the job ID {job} already belongs to a run of {repair}; nothing was run"
        )));
    }
    Ok(GateAnswer::Repair(known.reported_at(now(host))))
}

enum LockWait {
    Acquired(HostLock),
    JobKnown(JobRecord),
}

/// Waits for the host's lock. If another gate has started the same job, returns the record of that
/// job instead.
///
/// The gate that holds the lock may still be about to refuse its own request, or to write the
/// record of its job. Both take milliseconds, or longer on a slow disk. This function waits until
/// the gate has released the lock or written the record, because only a record shows which job is
/// running, and a refusal should name that job.
fn wait_for_lock(store: &RecordStore, job: &Job, host: &LocalHost) -> Result<LockWait, Rejection> {
    // Read each record only once, because the record of an ended repair no longer changes.
    let mut seen = BTreeSet::new();
    for _ in 0..500 {
        if let Some(lock) = store.try_lock("lock")? {
            return Ok(LockWait::Acquired(lock));
        }
        if let Err(busy) = rate_limit::check_idle(&store.unfiled_except(&mut seen)?, now(host)) {
            // The running repair may be that of `job` itself.
            let known = store.record(job)?;
            return known.map_or(Err(busy), |known| Ok(LockWait::JobKnown(known)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(RejectionReason::Busy.because(
        "another request holds this host's lock, and a host runs only one repair at a time; try \
         again later",
    ))
}
