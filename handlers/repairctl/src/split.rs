//! Runs the commands. If root starts a command that implements [`Split`], a process that runs as
//! Nagios' user collects the data, and a process that runs as root prints the data (see `privsep`).
//! [`stream`] transfers the data in parts, so that it can have any size. If root starts any other
//! command, the whole command runs as Nagios' user.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use plugin_kit::{Out, Problem, ToolResult};
use privsep::{Account, Half, Role};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;

/// How long root's process waits for the data from the collecting process. That process has shorter
/// timeouts for gates and for a locked ledger, so that it can still report that one of them did not
/// answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// The result of a command: the meaning of its exit code, or the error to print.
pub type CommandResult = Result<ToolResult, Problem>;

/// Why there is no result from the process that runs as Nagios' user.
#[derive(Debug, thiserror::Error)]
enum OtherHalfError {
    /// The process that runs as Nagios' user reported a problem instead of its data.
    #[error("{why}{hint}")]
    Reported { why: privsep::Error, hint: &'static str },
    /// The process that runs as Nagios' user has already printed its error message.
    #[error("the command failed while it ran as {account}; see the message above{hint}")]
    Printed { account: String, hint: &'static str },
    /// The file that the process of Nagios' user gets as its standard input cannot be opened.
    #[error("{path}: {why}")]
    Stdin { path: PathBuf, why: io::Error },
}

impl From<OtherHalfError> for Problem {
    fn from(error: OtherHalfError) -> Problem {
        Problem::failed(error)
    }
}

/// A command that works in two steps: it collects data, then shows the result.
pub trait Split {
    /// The data that `collect` returns. The process that runs as root does not trust it.
    type Data: Serialize + DeserializeOwned;

    /// Returns the account that collects the data for root. Returns `None` if Nagios' files and the
    /// ledger belong to root.
    fn account(&self, context: &Context) -> Result<Option<Account>, Problem> {
        context.other_owner()
    }

    /// Returns how long the process that runs as root waits for the data.
    fn timeout(&self) -> Duration {
        ANSWER_WITHIN
    }

    /// Whether `show` prints JSON. If so, the data that the root process receives keeps its control
    /// characters. JSON escapes them, and must contain exactly what is on record.
    fn prints_json(&self) -> bool {
        false
    }

    /// Returns extra arguments for the collecting process. They contain information that only the
    /// root process has.
    fn extra_args(&self) -> Vec<OsString> {
        Vec::new()
    }

    /// Checks arguments and permissions before any data is collected.
    fn validate(&self, _: &Context) -> Result<(), Problem> {
        Ok(())
    }

    /// Collects the data from the ledger, Nagios' files and the gates. Some commands also make
    /// changes in this step.
    fn collect(&self, context: &Context) -> Result<Self::Data, Problem>;

    /// Prints the result. Opens no file that another account could have created or replaced.
    fn show(&self, data: Self::Data, context: &Context, out: &mut Out) -> CommandResult;
}

/// Runs a command that implements [`Split`]. `argv` are the arguments of this program.
pub fn run<C: Split>(
    command: &C,
    context: &Context,
    argv: &[OsString],
    out: &mut Out,
) -> CommandResult {
    if context.role == Role::SteppedDown {
        let answer = command.collect(context).map_err(|problem| problem.to_string());
        out.line(serde_json::to_string(&answer).map_err(|why| Problem::Internal(why.to_string()))?);
        return Ok(ToolResult::Fine);
    }
    command.validate(context)?;
    let data = match command.account(context)? {
        None => command.collect(context)?,
        Some(account) => {
            let extended = with_options(argv, command.extra_args());
            let half = start(&account, context, &extended, Stdio::null())?;
            half.answer(command.timeout(), command.prints_json())
                .map_err(|why| reported(why, argv))?
        }
    };
    command.show(data, context, out)
}

/// Collects data in parts and shows each part, for a command whose data may not fit into memory.
/// `collect` receives a function, passes each part to it, and stops if this function returns
/// `Break`. `show` receives the parts in the process that the admin started. For `prints_json`, see
/// [`Split::prints_json`].
pub fn stream<P: Serialize + DeserializeOwned>(
    prints_json: bool,
    context: &Context,
    argv: &[OsString],
    out: &mut Out,
    collect: impl FnOnce(&mut dyn FnMut(P) -> ControlFlow<()>) -> Result<(), Problem>,
    mut show: impl FnMut(P, &mut Out),
) -> Result<(), Problem> {
    if context.role == Role::SteppedDown {
        let ended = collect(&mut |part| send(&Ok(Some(part)), out));
        let _ = send(&ended.map(|()| None::<P>).map_err(|problem| problem.to_string()), out);
        return Ok(());
    }
    let mut show = |part| {
        show(part, out);
        unless_closed(out)
    };
    match context.other_owner()? {
        None => collect(&mut show),
        Some(account) => {
            let half = start(&account, context, argv, Stdio::null())?;
            half.parts(ANSWER_WITHIN, prints_json, show).map_err(|why| reported(why, argv))
        }
    }
}

/// Sends a part of the data, the end of the data or a problem to the process that runs as root.
fn send<P: Serialize>(part: &Result<Option<P>, String>, out: &mut Out) -> ControlFlow<()> {
    let line = serde_json::to_string(part)
        .or_else(|why| serde_json::to_string(&Err::<(), _>(why.to_string())));
    out.line(line.unwrap_or_default());
    unless_closed(out)
}

fn unless_closed(out: &Out) -> ControlFlow<()> {
    if out.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Adds a hint to a problem that the process running as Nagios' user reported.
fn reported(why: privsep::Error, argv: &[OsString]) -> Problem {
    match why {
        why @ privsep::Error::Reported { .. } => {
            OtherHalfError::Reported { why, hint: hint(argv) }.into()
        }
        why => Problem::from(why),
    }
}

/// Runs a command that does not implement [`Split`]. If root starts it, the whole command runs as
/// Nagios' user.
pub fn run_as_nagios<C>(
    run: fn(&C, &Context, &mut Out) -> CommandResult,
    command: &C,
    context: &Context,
    argv: &[OsString],
    out: &mut Out,
) -> CommandResult {
    let account = match context.role {
        Role::SteppedDown => None,
        Role::Started => context.any_account()?,
    };
    let Some(account) = account else { return run(command, context, out) };
    let (argv, stdin) = with_stdin(argv)?;
    let status = start(&account, context, &argv, stdin)?.relay(|line| {
        out.line(line);
        out.flush();
    });
    match status?.code() {
        Some(0) => Ok(ToolResult::Fine),
        Some(1) => Ok(ToolResult::Wrong),
        Some(2) if hint(&argv).is_empty() => Ok(ToolResult::Failed),
        _ => Err(OtherHalfError::Printed { account: account.name, hint: hint(&argv) }.into()),
    }
}

/// Returns a hint to append to an error message if an argument is a relative path and other users
/// cannot enter the current directory. Otherwise returns an empty string.
fn hint(argv: &[OsString]) -> &'static str {
    let is_closed = fs::metadata(".").is_ok_and(|here| here.mode() & 0o001 == 0);
    let is_relative = || argv.iter().map(Path::new).any(|word| word.is_relative() && word.exists());
    if is_closed && is_relative() {
        "; this account cannot enter the current directory, so use absolute paths"
    } else {
        ""
    }
}

/// Returns `argv` with the options `more` added before any `--`.
fn with_options(argv: &[OsString], more: Vec<OsString>) -> Vec<OsString> {
    let options = argv.iter().position(|word| word == "--").unwrap_or(argv.len());
    let (options, rest) = argv.split_at(options);
    [options, &more, rest].concat()
}

fn start(
    account: &Account,
    context: &Context,
    argv: &[OsString],
    stdin: Stdio,
) -> Result<Half, Problem> {
    let environment = engine::account::environment(account, context.nagios_cfg.as_deref());
    Ok(Half::start(account, environment, argv, stdin)?)
}

/// If `argv` names an open descriptor (a shell's `<(...)`, or `/dev/stdin`), opens the descriptor
/// as the standard input of the other process, and replaces its path in `argv` with `/dev/stdin`.
fn with_stdin(argv: &[OsString]) -> Result<(Vec<OsString>, Stdio), Problem> {
    let mut argv = argv.to_vec();
    let Some(named) =
        argv.iter_mut().find(|word| safe_file::own_descriptor(Path::new(word)).is_some())
    else {
        return Ok((argv, Stdio::null()));
    };
    let opened = File::open(&*named)
        .map_err(|why| OtherHalfError::Stdin { path: named.clone().into(), why })?;
    *named = "/dev/stdin".into();
    Ok((argv, opened.into()))
}
