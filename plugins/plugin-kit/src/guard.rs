//! Output and exit of every plugin: one write and an exit code in 0..3, even after a panic.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGXCPU, SIGXFSZ};
use signal_hook::flag;

use crate::outcome::Outcome;
use crate::state::State;

/// Why a program has no verdict. Every problem exits 3 (UNKNOWN): Nagios reads a code above 3 as
/// CRITICAL.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The text of `--help` or `--version`; printed as it is.
    #[error("{0}")]
    HelpRequested(String),
    /// The command line is wrong; one line, with the next step.
    #[error("{0}")]
    Usage(String),
    /// Something outside the program is missing, unreadable or refused: a file, the ledger, a host.
    #[error("{0}")]
    Failed(Box<dyn Error + Send + Sync>),
    /// Something that should not happen on a working machine.
    #[error("{0}")]
    Internal(String),
}

impl Problem {
    /// The problem behind an error of any module; its text is what the program prints.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Problem {
        Problem::Failed(error.into())
    }

    /// Turns clap's error into one line that ends in `after`. clap itself would exit 2, which
    /// Nagios reads as CRITICAL.
    pub fn misread(error: &clap::Error, after: &str) -> Problem {
        use clap::error::ErrorKind::{
            DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
        };
        let text = error.to_string();
        match error.kind() {
            DisplayHelp | DisplayVersion => return Problem::HelpRequested(text),
            DisplayHelpOnMissingArgumentOrSubcommand => {
                return Problem::Usage(format!("which command? {after}"));
            }
            _ => {}
        }
        let first: Vec<&str> =
            text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        Problem::Usage(format!("{} {after}", first.join(" ").trim_start_matches("error: ")))
    }
}

/// Runs `run` on the arguments after the program's name and turns its result into one write to
/// stdout and an exit code in 0..3. A problem is printed as `name: text`.
///
/// A panic does the same through the panic hook, which also works with `panic = "abort"`. Help and
/// version exit 3 (UNKNOWN), as those of all plugins.
pub fn guard(
    name: &'static str,
    run: impl FnOnce(&[OsString]) -> Result<Outcome, Problem>,
) -> ExitCode {
    guarded(name, State::Unknown, run)
}

/// Does the same for an event handler, whose help and version exit 0: Nagios reads no state from
/// it.
pub fn guard_handler(
    name: &'static str,
    run: impl FnOnce(&[OsString]) -> Result<Outcome, Problem>,
) -> ExitCode {
    guarded(name, State::Ok, run)
}

fn guarded(
    name: &'static str,
    help: State,
    run: impl FnOnce(&[OsString]) -> Result<Outcome, Problem>,
) -> ExitCode {
    set_panic_hook(name);
    catch_limit_signals();
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    let (text, state) = match run(&argv) {
        Ok(outcome) => (outcome.render(), outcome.state()),
        // Not cleaned: it is our own text, and its `|` separates choices.
        Err(Problem::HelpRequested(text)) => (format!("{}\n", text.trim_end()).into_bytes(), help),
        Err(problem) => {
            let line = format!("{name}: {problem}");
            (Outcome::new(State::Unknown, line).render(), State::Unknown)
        }
    };
    write_stdout(&text);
    ExitCode::from(state.code())
}

/// Makes every later panic one line on stdout and exit code 3 (UNKNOWN).
pub(crate) fn set_panic_hook(name: &'static str) {
    std::panic::set_hook(Box::new(move |info| report_panic(name, info)));
}

/// Keeps the signals of resource limits from ending the program with exit code 153 or 152. std
/// handles SIGPIPE.
///
/// The signals are caught rather than ignored or blocked, because a program that we execute would
/// inherit that.
pub(crate) fn catch_limit_signals() {
    static CAUGHT: AtomicBool = AtomicBool::new(false);
    static ALWAYS: AtomicBool = AtomicBool::new(true);
    // If a signal cannot be caught, everything else still works. A write beyond the limit then
    // fails, and its error names the file.
    let _ = flag::register(SIGXFSZ, &CAUGHT);
    let _ = flag::register_conditional_shutdown(SIGXCPU, State::Unknown.code().into(), &ALWAYS);
}

fn report_panic(name: &str, info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let what = info.payload_as_str().unwrap_or("no message");
    end(&Outcome::new(
        State::Unknown,
        format!("{name}: internal error, please report it: {what} ({location})"),
    ));
}

/// Prints `outcome` and exits, from any thread: after a panic or an interrupt.
#[allow(
    clippy::exit,
    reason = "with panic = abort the hook is the last code to run; after a signal there is no \
              caller to return to"
)]
pub fn end(outcome: &Outcome) -> ! {
    write_stdout(&outcome.render());
    std::process::exit(i32::from(outcome.state().code()))
}

/// Ignores errors: with stdout closed or its disk full, the exit code still carries the result.
fn write_stdout(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}
