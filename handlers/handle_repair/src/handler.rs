//! The event handler: decides whether a repair may be needed, and dispatches it to the worker.
//!
//! Nagios runs the handler on every state change of every service, so the handler loads nothing
//! that only a repair needs.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use plugin_kit::{Outcome, Problem, program_places};
use policy::{JobId, Reason, RepairName, consider};

use crate::cli::{self, Invocation, Mode};
use crate::verdict::{HandlerExit, Verdict};
use crate::{explain, job};

/// File name of the worker program.
pub const WORKER: &str = "repair_worker";

/// Decides about one event, and dispatches the repair to the worker if one may be needed.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let invocation = cli::read(argv)?;
    let config = policy_file::read(&invocation.options.policy).map_err(nothing_run)?;
    match consider(&invocation.event, &config.policy) {
        Ok((name, _)) => {
            privsep::refuse_root(config.directories(), argv)?;
            Ok(dispatch(&invocation, name, argv))
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

/// Starts the worker in the background, or replaces this process with it if the caller waits for
/// its output.
fn dispatch(invocation: &Invocation, name: &RepairName, argv: &[OsString]) -> Outcome {
    let object = invocation.event.object();
    let started = job::new().map_err(NotStarted::NoJob).and_then(|job| {
        match invocation.options.mode {
            Mode::Background => start_worker(&job, argv).map(drop)?,
            Mode::Foreground | Mode::DryRun => become_worker(&job, argv)?,
        }
        Ok(job)
    });
    match started {
        Ok(job) => Verdict::Dispatched.with(&format!("{object}: job {job} runs repair {name}")),
        Err(why) => HandlerExit::Failed.with(format!("{object}: {why}; nothing was run")),
    }
}

/// Returns the problem for an error that occurred before anything was run.
pub(crate) fn nothing_run(why: impl fmt::Display) -> Problem {
    Problem::failed(format!("{why}; nothing was run"))
}

/// Returns the outcome of a call that runs no repair. A repair name that is not in the policy is a
/// configuration error and exits with 3, because Nagios logs a handler's output only if the exit
/// code is not 0.
pub(crate) fn no_action(invocation: &Invocation, why: &Reason) -> Outcome {
    let exit = match why {
        Reason::UnknownRepair(_) => HandlerExit::Misconfigured,
        _ => Verdict::NoAction.exit(),
    };
    let event = &invocation.event;
    exit.with(format!("{} {} ({}): {why}", Verdict::NoAction, event.object(), event.change()))
}

/// The reason why the worker was not started.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// No random bytes for a job ID could be read.
    #[error("/dev/urandom: {0}")]
    NoJob(io::Error),
    /// The worker exists but could not be executed.
    #[error("cannot start {place}: {why}")]
    Failed {
        /// Path of the worker program.
        place: PathBuf,
        /// Error of the system call.
        why: io::Error,
    },
    /// No worker exists at any of these paths.
    #[error("the worker is not installed: looked for {}", listed(.0))]
    NotInstalled(Vec<PathBuf>),
}

/// Formats paths as a comma-separated list.
pub(crate) fn listed(places: &[PathBuf]) -> String {
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    places.join(", ")
}

/// Starts the worker in a process group of its own and with null stdio. Nagios kills the process
/// group of the handler at `event_handler_timeout`, and a child that kept the handler's descriptors
/// would stall the Nagios worker that waits on them. `argv` holds the arguments of `handle_repair`.
pub fn start_worker(job: &JobId, argv: &[OsString]) -> Result<Child, NotStarted> {
    worker_command(job, argv, |command| {
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    })
}

/// Replaces this process with the worker, whose output and exit code the caller then gets.
fn become_worker(job: &JobId, argv: &[OsString]) -> Result<(), NotStarted> {
    worker_command(job, argv, |command| Err(command.exec()))
}

fn worker_command<T>(
    job: &JobId,
    argv: &[OsString],
    run: impl Fn(&mut Command) -> io::Result<T>,
) -> Result<T, NotStarted> {
    let places = program_places(env::current_exe().ok().as_deref(), WORKER);
    for place in &places {
        match run(Command::new(place).arg(format!("--job={job}")).args(argv)) {
            Ok(run) => return Ok(run),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(NotStarted::Failed { place: place.clone(), why }),
        }
    }
    Err(NotStarted::NotInstalled(places))
}
