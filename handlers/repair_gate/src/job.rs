//! `repair NAME JOB` and `status JOB`: runs a repair once, between two records, and reports it.

use std::thread;
use std::time::Duration;

use crate::answer::GateAnswer;
use crate::args::GateArgs;
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
use crate::timeout::ProcessEnd;
use crate::{config_file, maintenance, rate_limit, stream, syslog, timestamps};

/// Reports what came of `job`.
pub(crate) fn status(args: &GateArgs, job: &Job) -> Result<GateAnswer, Rejection> {
    let host = LocalHost::read()?;
    match RecordStore::open(&args.state, host.uid)?.record(job)? {
        Some(record) => Ok(GateAnswer::Status(record.reported_at(now(&host)))),
        None => Err(RejectionReason::NoSuchJob
            .because(format!("job {job} is not known here; it has not run, or long ago"))),
    }
}

/// Runs the repair `name`, or reports `job` if it is known already.
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
    let may_run = || rate_limit::check(&store.records(name)?, name, repair, now(&host));
    // Checks without the lock first: a flood of refused requests must not keep others from it.
    // `wait_for_lock` knows whether a repair on record as running still has its gate.
    may_run().or_else(|no| if no.reason == RejectionReason::Busy { Ok(()) } else { Err(no) })?;
    let _lock = match wait_for_lock(&store, job, &host)? {
        LockWait::Acquired(lock) => lock,
        LockWait::JobKnown(known) => return report_known(known, name, &host),
    };
    // Looks again, now that nobody else can write: two requests with one job ID may have come at
    // the same time.
    if let Some(known) = store.record(job)? {
        return report_known(known, name, &host);
    }
    may_run()?;
    store.file_ended(&host.boot)?;
    prune(&store, &repairs, name)?;
    let record = JobRecord::beginning(job.clone(), name.clone(), now(&host), repair.longest_run());
    store.write(&record)?;
    syslog::info(&format!("{peer} requested {name}, job {job}: starting it"));
    Ok(GateAnswer::Repair(run_recorded(&store, record, repair, account(repair, &host))))
}

/// Removes the records of `name` that are no longer needed, and those of names that repairs.json no
/// longer has.
fn prune(
    store: &RecordStore,
    repairs: &RepairDefinitions,
    name: &Name,
) -> Result<(), UnusablePath> {
    let now = timestamps::now();
    let of_others = |other: &Name| other != name && repairs.get(other).is_some();
    for name in store.names()?.iter().filter(|name| !of_others(name)) {
        let retention = repairs
            .get(name)
            .map_or_else(|| repairs.longest_retention(), RepairDefinition::retention);
        store.prune(name, now - rate_limit::kept_for(retention))?;
    }
    Ok(())
}

/// Runs a repair whose `record` is on disk already, so that a crash cannot give the run back. If
/// its end cannot be written the job stays "running" until its deadline and is "unknown"
/// afterwards.
fn run_recorded(
    store: &RecordStore,
    mut record: JobRecord,
    repair: &RepairDefinition,
    account: Option<&str>,
) -> JobRecord {
    let (lines, rest) = stream::begin().unzip();
    let limit = TimeLimit::of_repair(repair.timeout);
    complete(&mut record, run::run(&repair.run, account, limit, lines));
    if let Err(e) = store.write(&record) {
        let (job, state) = (&record.job, record.state.word());
        syslog::warn(&format!(
            "job {job} ended as {state} but could not be put on record: the state of the gate: {e}"
        ));
    }
    if let Some(rest) = rest {
        rest.wait();
    }
    record
}

/// Puts the end of a command on its record. One that was lost sight of may still run: by its record
/// it does, until its deadline.
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

/// Reports a job that is known already, which is never run again.
fn report_known(known: JobRecord, name: &Name, host: &LocalHost) -> Result<GateAnswer, Rejection> {
    if known.repair != *name {
        let (job, repair) = (&known.job, &known.repair);
        return Err(RejectionReason::BadRequest
            .because(format!("job {job} is known, but as a run of {repair}; nothing was run")));
    }
    Ok(GateAnswer::Repair(known.reported_at(now(host))))
}

enum LockWait {
    Acquired(HostLock),
    JobKnown(JobRecord),
}

/// Returns the host's lock, or the record of `job` if another gate has begun it. A gate may hold
/// the lock to refuse, or before its record is written: for milliseconds, or for as long as an
/// ailing disk takes. That is waited out, so that a refusal can name the job that runs.
fn wait_for_lock(store: &RecordStore, job: &Job, host: &LocalHost) -> Result<LockWait, Rejection> {
    for _ in 0..500 {
        if let Some(lock) = store.try_lock("lock")? {
            return Ok(LockWait::Acquired(lock));
        }
        // Before the job's own record is looked for: written in between, it is not "another
        // repair".
        let idle = rate_limit::check_idle(&store.unfiled()?, now(host));
        if let Some(known) = store.record(job)? {
            return Ok(LockWait::JobKnown(known));
        }
        idle?;
        thread::sleep(Duration::from_millis(20));
    }
    Err(RejectionReason::Busy
        .because("another request holds the lock of this host; one repair at a time"))
}
