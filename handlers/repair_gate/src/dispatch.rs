//! The story: read the request, look at the records and the file, run or refuse, put it on record,
//! answer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use std::{env, thread};

use crate::answer::GateAnswer;
use crate::args::{self, Args, GateCommand};
use crate::config::{RepairDefinition, RepairDefinitions};
use crate::context::{account, find, look, now, umask_is_sane};
use crate::durations::TimeLimit;
use crate::host::{self, LocalHost};
use crate::output::clean;
use crate::rate_limit;
use crate::record::{JobRecord, RunState};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::{self, GateRequest, Job, Name};
use crate::run::{self, CommandEnd, ExecutedCommand};
use crate::store::{HostLock, RecordStore, StateDirError};
use crate::{
    Output, config_file, diagnose, maintenance, readiness, stream, sudoers, syslog, timeout,
    timestamps, usage,
};

/// Everything the program does, as what it says.
pub(crate) fn main(argv: &[OsString]) -> Output {
    let args = match args::read(argv) {
        Ok(args) => args,
        // In authorized_keys this would be found by the server, so it gets an answer it can
        // believe.
        Err(text) => {
            return said(
                &GateAnswer::Refused(RejectionReason::Config.because(&text), None),
                format!("repair_gate: {text}\n"),
            );
        }
    };
    match &args.wish {
        GateCommand::Serve => said(&serve(&args), String::new()),
        GateCommand::Help => for_people(Ok(args::HELP.to_owned())),
        GateCommand::Version => {
            for_people(Ok(format!("repair_gate {}\n", env!("CARGO_PKG_VERSION"))))
        }
        GateCommand::Check => for_people(
            config_file::load(&args.config)
                .map(|repairs| config_file::overview(&args.config, &repairs)),
        ),
        GateCommand::Sudoers(user) => {
            for_people(config_file::load(&args.config).and_then(|repairs| {
                let gate = run::gate().map_err(|e| {
                    RejectionReason::Config
                        .because(format!("cannot tell where this program is: {e}"))
                })?;
                Ok(sudoers::file(&repairs, user, &gate))
            }))
        }
        GateCommand::Within(limit, argv) => timeout::main(argv, *limit),
    }
}

fn said(answer: &GateAnswer, stderr: String) -> Output {
    Output { stdout: answer.frame(&host::name()), stderr, code: answer.code(), must_arrive: false }
}

fn for_people(text: Result<String, Rejection>) -> Output {
    let (stdout, stderr, code) = match text {
        Ok(stdout) => (stdout, String::new(), 0),
        Err(refusal) => (String::new(), format!("repair_gate: {}\n", refusal.text), 3),
    };
    Output { stdout, stderr, code, must_arrive: true }
}

/// Answers SSH_ORIGINAL_COMMAND, and tells the system's log who asked for what.
fn serve(args: &Args) -> GateAnswer {
    let asked = env::var_os("SSH_ORIGINAL_COMMAND");
    let peer = syslog::peer(env::var("SSH_CONNECTION").ok().as_deref());
    let shown = clean(&asked.as_deref().unwrap_or_default().to_string_lossy(), 200);
    let answer = match request::parse(asked.as_deref().map(OsStrExt::as_bytes)) {
        Ok(request) => obey(args, request, &peer),
        Err(bad) => GateAnswer::Refused(RejectionReason::BadRequest.because(bad.text), bad.job),
    };
    let log = if answer.code() == 0 { syslog::info } else { syslog::warn };
    log(&format!("{peer} asked '{shown}': {}", answer.summary()));
    answer
}

fn obey(args: &Args, request: GateRequest, peer: &str) -> GateAnswer {
    let (answer, job) = match request {
        GateRequest::Version => (Ok(GateAnswer::Version), None),
        GateRequest::List => (
            config_file::load(&args.config).map(|all| {
                GateAnswer::List(all.iter().map(|(name, _)| name.to_string()).collect())
            }),
            None,
        ),
        GateRequest::Diagnose(name) => (diagnose::diagnose(args, &name), None),
        GateRequest::Ready(name) => (readiness::ready(args, &name), None),
        GateRequest::Usage => (usage::usage(args), None),
        GateRequest::Status(job) => (status(args, &job), Some(job)),
        GateRequest::Repair(name, job) => (repair(args, &name, &job, peer), Some(job)),
    };
    answer.unwrap_or_else(|refusal| GateAnswer::Refused(refusal, job))
}

fn status(args: &Args, job: &Job) -> Result<GateAnswer, Rejection> {
    let host = look()?;
    match RecordStore::open(&args.state, host.uid)?.record(job)? {
        Some(record) => {
            let record = record.reported_at(now(&host));
            let state = record.state;
            Ok(GateAnswer::Status(record, state))
        }
        None => Err(RejectionReason::NoSuchJob
            .because(format!("job {job} is not known here; it has not run, or long ago"))),
    }
}

fn repair(args: &Args, name: &Name, job: &Job, peer: &str) -> Result<GateAnswer, Rejection> {
    let host = look()?;
    let store = RecordStore::open(&args.state, host.uid)?;
    if let Some(known) = store.record(job)? {
        return report(known, name, &host);
    }
    maintenance::not_held(&args.config)?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, name)?;
    umask_is_sane(&host)?;
    let may_run = || rate_limit::check(&store.records(name)?, name, repair, now(&host));
    // Checks without the lock first: a flood of refused requests must not keep others from it.
    // `wait_for_turn` knows whether a repair on record as running still has its gate.
    may_run().or_else(|no| if no.reason == RejectionReason::Busy { Ok(()) } else { Err(no) })?;
    let _lock = match wait_for_turn(&store, job, &host)? {
        LockWait::Mine(lock) => lock,
        LockWait::Known(known) => return report(known, name, &host),
    };
    // Asked again, now that nobody else can write: two calls with one job id may have come at the
    // same time.
    if let Some(known) = store.record(job)? {
        return report(known, name, &host);
    }
    may_run()?;
    store.file(&host.boot)?;
    make_room(&store, &repairs, name)?;
    act(&store, name, repair, job, &host, peer)
}

/// Removes the records of `name` that are no longer needed, and those of names that repairs.json no
/// longer has.
fn make_room(
    store: &RecordStore,
    repairs: &RepairDefinitions,
    name: &Name,
) -> Result<(), StateDirError> {
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

/// Runs it between two records. The first is on disk before anything runs, so a crash cannot give
/// the run back; if the second cannot be written the job stays "running" until its deadline and is
/// "unknown" afterwards.
fn act(
    store: &RecordStore,
    name: &Name,
    repair: &RepairDefinition,
    job: &Job,
    host: &LocalHost,
    peer: &str,
) -> Result<GateAnswer, Rejection> {
    let limit = TimeLimit::of_repair(repair.timeout);
    let mut record =
        JobRecord::beginning(job.clone(), name.clone(), now(host), limit.longest_run());
    store.write(&record)?;
    syslog::info(&format!("{peer} asked for {name}, job {job}: it starts"));
    let (live, telling) = stream::begin().unzip();
    complete(&mut record, run::run(&repair.run, account(repair, host), limit, live));
    if let Err(e) = store.write(&record) {
        syslog::warn(&format!(
            "job {job} ended as {} but could not be put on record: {e}",
            record.state.word()
        ));
    }
    if let Some(telling) = telling {
        telling.end();
    }
    let state = record.state;
    Ok(GateAnswer::Repair(record, state))
}

fn complete(record: &mut JobRecord, ran: ExecutedCommand) {
    record.ended = Some(timestamps::now().max(record.started));
    (record.elapsed, record.output) = (ran.elapsed, ran.output);
    record.state = match ran.end {
        CommandEnd::Exit(0) => RunState::Done,
        CommandEnd::Exit(_) | CommandEnd::Signal(_) | CommandEnd::NotStarted(_) => RunState::Failed,
        CommandEnd::TimedOut => RunState::Timeout,
        CommandEnd::Lost => RunState::Unknown,
    };
    match ran.end {
        CommandEnd::Exit(code) => record.exit = Some(code),
        CommandEnd::Signal(signal) => record.signal = Some(signal),
        CommandEnd::NotStarted(why) => record.output.push(clean(&why, 300)),
        CommandEnd::TimedOut | CommandEnd::Lost => {}
    }
}

/// A job that is known already is reported and never run again.
fn report(known: JobRecord, name: &Name, host: &LocalHost) -> Result<GateAnswer, Rejection> {
    if known.repair != *name {
        let text = format!(
            "job {} is known, but as a run of {}; nothing was run",
            known.job, known.repair
        );
        return Err(RejectionReason::BadRequest.because(text));
    }
    let known = known.reported_at(now(host));
    let state = known.state;
    Ok(GateAnswer::Repair(known, state))
}

enum LockWait {
    Mine(HostLock),
    Known(JobRecord),
}

/// The host's lock, or who has it. Another gate may hold it to refuse, or before its record is
/// written: for milliseconds, or for as long as an ailing disk takes. That is waited out, so that a
/// refusal can name the job that runs.
fn wait_for_turn(store: &RecordStore, job: &Job, host: &LocalHost) -> Result<LockWait, Rejection> {
    for _ in 0..500 {
        if let Some(lock) = store.try_lock("lock")? {
            return Ok(LockWait::Mine(lock));
        }
        if let Some(known) = store.record(job)? {
            return Ok(LockWait::Known(known));
        }
        rate_limit::check_idle(&store.unfiled()?, now(host))?;
        thread::sleep(Duration::from_millis(20));
    }
    Err(RejectionReason::Busy
        .because("another request holds the lock of this host; one repair at a time"))
}
