//! The event handler: decides whether a repair may be needed, and dispatches it to the workers.
//!
//! Nagios runs the handler on every state change of every service, so the handler loads nothing
//! that only a repair needs.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use plugin_kit::{Outcome, Problem, program_places};
use policy::{JobId, Reason, RepairName, consider};
use policy_file::Config;

use crate::cli::{self, Invocation, Mode};
use crate::queue::{CallQueue, QueueError, WorkerSlot};
use crate::verdict::{HandlerExit, Verdict};
use crate::{explain, job};

/// File name of the worker program.
pub const WORKER: &str = "repair_worker";
/// First argument of a worker that answers the waiting calls. The path of the policy follows.
pub const ANSWER: &str = "--answer";

/// Decides what to do about one event, and dispatches the repair to the worker if one may be
/// needed.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let invocation = cli::read(argv)?;
    let config = policy_file::read(&invocation.options.policy).map_err(nothing_run)?;
    match consider(&invocation.event, &config.policy) {
        Ok((name, _)) => {
            privsep::refuse_root(config.directories(), argv)?;
            Ok(dispatch(&invocation, &config, name, argv))
        }
        Err(why) => {
            let detail = if invocation.options.explain {
                explain::lines(&invocation, &config, None)
            } else {
                Vec::new()
            };
            Ok(detail.into_iter().fold(no_action(&invocation, &why), Outcome::line))
        }
    }
}

/// Queues the call for the workers. If the caller waits for the output, replaces this process with
/// a worker instead.
fn dispatch(
    invocation: &Invocation,
    config: &Config,
    name: &RepairName,
    argv: &[OsString],
) -> Outcome {
    let object = invocation.event.object();
    let started = job::new().map_err(NotStarted::NoJob).and_then(|job| {
        match invocation.options.mode {
            Mode::Background => enqueue(&job, invocation, config, argv)?,
            Mode::Foreground | Mode::DryRun => become_worker(&job, argv)?,
        }
        Ok(job)
    });
    match started {
        Ok(job) => Verdict::Dispatched.with(&format!("{object}: job {job} runs repair {name}")),
        Err(why) => HandlerExit::Failed.with(format!("{object}: {why}; nothing was run")),
    }
}

/// Adds the call to the queue, and then starts a worker if none is taking calls. In this order, the
/// call is not lost if the worker is killed, because another worker finds it in the queue.
fn enqueue(
    job: &JobId,
    invocation: &Invocation,
    config: &Config,
    argv: &[OsString],
) -> Result<(), NotStarted> {
    let policy = &invocation.options.policy;
    let mut queue = CallQueue::open(config.ledger.local())?;
    queue.add(job, policy, argv)?;
    let free = || queue.free_slot();
    // If the call cannot be withdrawn, another worker has already taken it and will answer it.
    start_decider(&queue, policy, free)
        .or_else(|why| if queue.withdraw(job) { Err(why) } else { Ok(()) })
}

/// Starts a worker to answer the waiting calls, if there are any and no worker is taking calls. The
/// worker finds the queue through the policy file at `policy`.
pub fn serve(queue: &CallQueue, policy: &Path) -> Result<(), NotStarted> {
    if queue.has_waiting()? { start_decider(queue, policy, || queue.free_slot()) } else { Ok(()) }
}

/// Like [`serve`], but starts the worker in the slot of this process, which is a worker that is
/// about to end. This works even if all other slots are taken.
pub fn serve_in_own_slot(queue: &CallQueue, policy: &Path) -> Result<(), NotStarted> {
    if queue.has_waiting()? {
        start_decider(queue, policy, || queue.own_slot().map(Some))
    } else {
        Ok(())
    }
}

fn start_decider(
    queue: &CallQueue,
    policy: &Path,
    slot: impl FnOnce() -> Result<Option<WorkerSlot>, QueueError>,
) -> Result<(), NotStarted> {
    if queue.has_decider()? {
        return Ok(());
    }
    // If no slot is free, start no worker. Each running worker checks the queue again after its
    // repair and then finds the call.
    let Some(slot) = slot()? else { return Ok(()) };
    start_worker(slot, &[ANSWER.into(), policy.into()]).map(drop)
}

/// Returns the problem for an error that occurred before anything was run. Its message says that
/// nothing was run.
pub(crate) fn nothing_run(why: impl fmt::Display) -> Problem {
    Problem::failed(format!("{why}; nothing was run"))
}

/// Returns the outcome of a call that runs no repair. If the name of the repair is not in the
/// policy, the handler exits with 3 for a configuration error, because Nagios logs a handler's
/// output only if the exit code is not 0.
pub(crate) fn no_action(invocation: &Invocation, why: &Reason) -> Outcome {
    let exit = match why {
        Reason::UnknownRepair(_) => HandlerExit::Misconfigured,
        _ => Verdict::NoAction.exit(),
    };
    let event = &invocation.event;
    exit.with(format!("{} {} ({}): {why}", Verdict::NoAction, event.object(), event.change()))
}

/// Why the worker was not started.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// No random bytes for a job ID could be read.
    #[error("cannot read /dev/urandom: {0}")]
    NoJob(io::Error),
    /// The thread that waits for the worker could not be started.
    #[error("cannot start a thread: {0}")]
    NoThread(io::Error),
    /// The call could not be added to the queue, or no slot could be opened.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The worker program exists but could not be executed.
    #[error("cannot start {place}: {why}")]
    Failed {
        /// Path of the worker program.
        place: PathBuf,
        /// Error that the system call returned.
        why: io::Error,
    },
    /// No worker exists at any of these paths.
    #[error("the worker is not installed at any of these paths: {}", listed(.0))]
    NotInstalled(Vec<PathBuf>),
}

/// Formats paths as a comma-separated list.
pub(crate) fn listed(places: &[PathBuf]) -> String {
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    places.join(", ")
}

/// Starts a worker in a process group of its own, because Nagios kills the handler's process group
/// after `event_handler_timeout`. Sends the worker's output to /dev/null, because a child that kept
/// the handler's pipes open would stall the Nagios worker that reads them. The started worker
/// inherits the slot.
pub fn start_worker(slot: WorkerSlot, argv: &[OsString]) -> Result<Child, NotStarted> {
    worker_command(argv, |command| {
        command
            .process_group(0)
            .stdin(slot.share()?)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    })
}

/// Replaces this process with the worker, whose output and exit code the caller then gets.
fn become_worker(job: &JobId, argv: &[OsString]) -> Result<(), NotStarted> {
    worker_command(&with_job(job, argv), |command| Err(command.exec()))
}

/// Returns the arguments for a worker that is to run only this job.
pub fn with_job(job: &JobId, argv: &[OsString]) -> Vec<OsString> {
    std::iter::once(cli::with_value("--job", job.as_str())).chain(argv.iter().cloned()).collect()
}

fn worker_command<T>(
    argv: &[OsString],
    run: impl Fn(&mut Command) -> io::Result<T>,
) -> Result<T, NotStarted> {
    let places = program_places(env::current_exe().ok().as_deref(), WORKER);
    for place in &places {
        match run(Command::new(place).args(argv)) {
            Ok(run) => return Ok(run),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(NotStarted::Failed { place: place.clone(), why }),
        }
    }
    Err(NotStarted::NotInstalled(places))
}
