//! Ends every plugin with a single write to stdout and an exit code from 0 to 3, even after a
//! panic.

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

/// Why a program has no result. After every problem, the exit code is 3 (UNKNOWN). Nagios would
/// read a code above 3 as CRITICAL.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The text of `--help` or `--version`, which is printed unchanged.
    #[error("{0}")]
    HelpRequested(String),
    /// The command line is wrong. The text is one line and says what to do.
    #[error("{0}")]
    Usage(String),
    /// A file, a host or the ledger is needed but cannot be used.
    #[error("{0}")]
    Failed(Box<dyn Error + Send + Sync>),
    /// A failure that should not happen on a working machine.
    #[error("{0}")]
    Internal(String),
}

impl Problem {
    /// Wraps an error from any module. The program prints the error's message.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Problem {
        Problem::Failed(error.into())
    }

    /// Converts clap's error to one line that ends with `after`. clap itself would exit 2, which
    /// Nagios reads as CRITICAL.
    pub fn misread(error: &clap::Error, after: &str) -> Problem {
        use clap::error::ErrorKind::{
            DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
        };
        let text = error.to_string();
        match error.kind() {
            DisplayHelp | DisplayVersion => return Problem::HelpRequested(text),
            DisplayHelpOnMissingArgumentOrSubcommand => {
                return Problem::Usage(format!("no command given {after}"));
            }
            _ => {}
        }
        let first: Vec<&str> =
            text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        Problem::Usage(format!("{} {after}", first.join(" ").trim_start_matches("error: ")))
    }
}

/// Passes the arguments after the program's name to `run`, prints the result with one write to
/// stdout and returns an exit code from 0 to 3. A problem is printed as `name: text`.
///
/// After a panic, the panic hook prints one line and exits 3. The hook runs even with `panic =
/// "abort"`. Help and version exit 3 (UNKNOWN), as in every plugin.
pub fn guard(
    name: &'static str,
    run: impl FnOnce(&[OsString]) -> Result<Outcome, Problem>,
) -> ExitCode {
    guarded(name, State::Unknown, run)
}

/// Runs an event handler as [`guard()`] runs a plugin, except that help and version exit 0. Nagios
/// does not read a state from the exit code of an event handler.
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
        // Do not clean our own help text, because it separates alternatives with `|`.
        Err(Problem::HelpRequested(text)) => (format!("{}\n", text.trim_end()).into_bytes(), help),
        Err(problem) => {
            let line = format!("{name}: {problem}");
            (Outcome::new(State::Unknown, line).render(), State::Unknown)
        }
    };
    write_stdout(&text);
    ExitCode::from(state.code())
}

/// Makes every later panic print one line to stdout and exit 3 (UNKNOWN).
pub(crate) fn set_panic_hook(name: &'static str) {
    std::panic::set_hook(Box::new(move |info| report_panic(name, info)));
}

/// Catches the signals that the kernel sends at a resource limit. Otherwise they would end the
/// program, and a shell would report this as exit code 152 or 153. std already ignores SIGPIPE.
///
/// The signals are caught rather than ignored or blocked, because programs that we execute would
/// inherit ignored and blocked signals.
pub(crate) fn catch_limit_signals() {
    static CAUGHT: AtomicBool = AtomicBool::new(false);
    static ALWAYS: AtomicBool = AtomicBool::new(true);
    // If a signal cannot be caught, go on without catching it. Once SIGXFSZ is caught, a write
    // beyond the file size limit fails with an error instead of ending the program.
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

/// Prints `outcome` and exits. Works from any thread, even after a panic or an interrupt.
#[allow(
    clippy::exit,
    reason = "with panic = abort, no code runs after the panic hook; after a signal, there is no \
              caller to return to"
)]
pub fn end(outcome: &Outcome) -> ! {
    write_stdout(&outcome.render());
    std::process::exit(i32::from(outcome.state().code()))
}

/// Writes `bytes` to stdout and ignores errors. If stdout is closed or its disk is full, the exit
/// code still reports the result.
fn write_stdout(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}
