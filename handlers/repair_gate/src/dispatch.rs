//! The story: read the request, look at the records and the file, run or refuse, put it on record,
//! answer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use std::{env, thread};

use crate::answer::Answer;
use crate::args::{self, Args, Wish};
use crate::config::{Repair, Repairs};
use crate::context::{account, find, look, now, umask_is_sane};
use crate::durations::Limit;
use crate::host::{self, Host};
use crate::output::clean;
use crate::rate_limit;
use crate::record::{Record, State};
use crate::rejection::{Reason, Refusal};
use crate::request::{self, Job, Name, Request};
use crate::run::{self, End, Ran};
use crate::store::{Broken, Lock, Store};
use crate::{
    Said, config_file, diagnose, maintenance, readiness, stream, sudoers, syslog, timeout, usage,
};

/// Everything the program does, as what it says.
pub(crate) fn main(argv: &[OsString]) -> Said {
    let args = match args::read(argv) {
        Ok(args) => args,
        // In authorized_keys this would be found by the server, so it gets an answer it can
        // believe.
        Err(text) => {
            return said(
                &Answer::Refused(Refusal::new(Reason::Config, &text), None),
                format!("repair_gate: {text}\n"),
            );
        }
    };
    match &args.wish {
        Wish::Serve => said(&serve(&args), String::new()),
        Wish::Help => for_people(Ok(args::HELP.to_owned())),
        Wish::Version => for_people(Ok(format!("repair_gate {}\n", env!("CARGO_PKG_VERSION")))),
        Wish::Check => for_people(
            config_file::load(&args.config)
                .map(|repairs| config_file::overview(&args.config, &repairs)),
        ),
        Wish::Sudoers(user) => for_people(config_file::load(&args.config).and_then(|repairs| {
            let gate = run::gate().map_err(|e| {
                Refusal::new(Reason::Config, format!("cannot tell where this program is: {e}"))
            })?;
            Ok(sudoers::file(&repairs, user, &gate))
        })),
        Wish::Within(limit, argv) => timeout::main(argv, *limit),
    }
}

fn said(answer: &Answer, stderr: String) -> Said {
    Said { stdout: answer.frame(&host::name()), stderr, code: answer.code(), must_arrive: false }
}

fn for_people(text: Result<String, Refusal>) -> Said {
    let (stdout, stderr, code) = match text {
        Ok(stdout) => (stdout, String::new(), 0),
        Err(refusal) => (String::new(), format!("repair_gate: {}\n", refusal.text), 3),
    };
    Said { stdout, stderr, code, must_arrive: true }
}

/// Answers SSH_ORIGINAL_COMMAND, and tells the system's log who asked for what.
fn serve(args: &Args) -> Answer {
    let asked = env::var_os("SSH_ORIGINAL_COMMAND");
    let peer = syslog::peer(env::var("SSH_CONNECTION").ok().as_deref());
    let shown = clean(&asked.as_deref().unwrap_or_default().to_string_lossy(), 200);
    let answer = match request::parse(asked.as_deref().map(OsStrExt::as_bytes)) {
        Ok(request) => obey(args, request, &peer),
        Err(bad) => Answer::Refused(Refusal::new(Reason::BadRequest, bad.text), bad.job),
    };
    let log = if answer.code() == 0 { syslog::info } else { syslog::warn };
    log(&format!("{peer} asked '{shown}': {}", answer.summary()));
    answer
}

fn obey(args: &Args, request: Request, peer: &str) -> Answer {
    let (answer, job) = match request {
        Request::Version => (Ok(Answer::Version), None),
        Request::List => (
            config_file::load(&args.config)
                .map(|all| Answer::List(all.iter().map(|(name, _)| name.to_string()).collect())),
            None,
        ),
        Request::Diagnose(name) => (diagnose::diagnose(args, &name), None),
        Request::Ready(name) => (readiness::ready(args, &name), None),
        Request::Usage => (usage::usage(args), None),
        Request::Status(job) => (status(args, &job), Some(job)),
        Request::Repair(name, job) => (repair(args, &name, &job, peer), Some(job)),
    };
    answer.unwrap_or_else(|refusal| Answer::Refused(refusal, job))
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Refusal {
        Refusal::new(Reason::State, broken.to_string())
    }
}

fn status(args: &Args, job: &Job) -> Result<Answer, Refusal> {
    let host = look()?;
    match Store::open(&args.state, host.uid)?.record(job)? {
        Some(record) => {
            let (record, state) = seen(record, &host);
            Ok(Answer::Status(record, state))
        }
        None => Err(Refusal::new(
            Reason::NoSuchJob,
            format!("job {job} is not known here; it has not run, or long ago"),
        )),
    }
}

fn repair(args: &Args, name: &Name, job: &Job, peer: &str) -> Result<Answer, Refusal> {
    let host = look()?;
    let store = Store::open(&args.state, host.uid)?;
    if let Some(known) = store.record(job)? {
        return report(known, name, &host);
    }
    maintenance::not_held(&args.config)?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, name)?;
    umask_is_sane(&host)?;
    let may_run = || rate_limit::may_run(&store.records(name)?, name, repair, &now(&host));
    // Checks without the lock first: a flood of refused requests must not keep others from it.
    // `wait_for_turn` knows whether a repair on record as running still has its gate.
    may_run().or_else(|no| if no.reason == Reason::Busy { Ok(()) } else { Err(no) })?;
    let _lock = match wait_for_turn(&store, job, &host)? {
        Turn::Mine(lock) => lock,
        Turn::Known(known) => return report(known, name, &host),
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
fn make_room(store: &Store, repairs: &Repairs, name: &Name) -> Result<(), Broken> {
    let now = host::now();
    let of_others = |other: &Name| other != name && repairs.get(other).is_some();
    for name in store.names()?.iter().filter(|name| !of_others(name)) {
        let memory = repairs.get(name).map_or_else(|| repairs.longest_memory(), Repair::memory);
        store.prune(name, now.saturating_sub(rate_limit::kept_for(memory)))?;
    }
    Ok(())
}

/// Runs it between two records. The first is on disk before anything runs, so a crash cannot give
/// the run back; if the second cannot be written the job stays "running" until its deadline and is
/// "unknown" afterwards.
fn act(
    store: &Store,
    name: &Name,
    repair: &Repair,
    job: &Job,
    host: &Host,
    peer: &str,
) -> Result<Answer, Refusal> {
    let limit = Limit::of_repair(repair.timeout);
    let started = host::now();
    let deadline = started.saturating_add(limit.deadline());
    let mut record =
        Record::beginning(job.clone(), name.clone(), started, deadline, host.boot.clone());
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
    Ok(Answer::Repair(record, state))
}

fn complete(record: &mut Record, ran: Ran) {
    record.ended = Some(host::now().max(record.started));
    (record.seconds, record.output) = (ran.seconds, ran.output);
    record.state = match ran.end {
        End::Exit(0) => State::Done,
        End::Exit(_) | End::Signal(_) | End::NotStarted(_) => State::Failed,
        End::TimedOut => State::Timeout,
        End::Lost => State::Unknown,
    };
    match ran.end {
        End::Exit(code) => record.exit = Some(code),
        End::Signal(signal) => record.signal = Some(signal),
        End::NotStarted(why) => record.output.push(clean(&why, 300)),
        End::TimedOut | End::Lost => {}
    }
}

/// A job that is known already is reported and never run again.
fn report(known: Record, name: &Name, host: &Host) -> Result<Answer, Refusal> {
    if known.repair != *name {
        let text = format!(
            "job {} is known, but as a run of {}; nothing was run",
            known.job, known.repair
        );
        return Err(Refusal::new(Reason::BadRequest, text));
    }
    let (known, state) = seen(known, host);
    Ok(Answer::Repair(known, state))
}

/// A record as it is to be read now.
fn seen(record: Record, host: &Host) -> (Record, State) {
    let now = host::now();
    let (state, seconds) = (record.state_at(now, &host.boot), record.seconds_at(now));
    (Record { seconds, ..record }, state)
}

enum Turn {
    Mine(Lock),
    Known(Record),
}

/// The host's lock, or who has it. Another gate may hold it to refuse, or before its record is
/// written: for milliseconds, or for as long as an ailing disk takes. That is waited out, so that a
/// refusal can name the job that runs.
fn wait_for_turn(store: &Store, job: &Job, host: &Host) -> Result<Turn, Refusal> {
    for _ in 0..500 {
        if let Some(lock) = store.try_lock("lock")? {
            return Ok(Turn::Mine(lock));
        }
        if let Some(known) = store.record(job)? {
            return Ok(Turn::Known(known));
        }
        rate_limit::nothing_runs(&store.unfiled()?, &now(host))?;
        thread::sleep(Duration::from_millis(20));
    }
    Err(Refusal::new(
        Reason::Busy,
        "another request holds the lock of this host; one repair at a time",
    ))
}
