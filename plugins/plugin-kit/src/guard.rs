//! The one way out of every program: one write, an exit code in 0..3, whatever happens.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGXCPU, SIGXFSZ};
use signal_hook::flag;

use crate::{Outcome, State};

/// Why a program has no verdict. All of them end as UNKNOWN (3), for Nagios would take any other
/// code as CRITICAL.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// What `--help` or `--version` asked for; printed as it is.
    #[error("{0}")]
    Asked(String),
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

    /// What clap has to say of a command line. It would exit 2, which Nagios reads as CRITICAL:
    /// here it becomes one line that ends in `after`.
    pub fn misread(error: &clap::Error, after: &str) -> Problem {
        use clap::error::ErrorKind::{
            DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
        };
        let text = error.to_string();
        match error.kind() {
            DisplayHelp | DisplayVersion => return Problem::Asked(text),
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

/// Runs `run` on the arguments after the program's name and turns whatever comes of it into one
/// write to stdout and an exit code in 0..3. `name` begins the line of a problem: `name: text`.
///
/// A panic ends here too, through the panic hook, so that it holds with `panic = "abort"` as well.
pub fn guard(
    name: &'static str,
    run: impl FnOnce(&[OsString]) -> Result<Outcome, Problem>,
) -> ExitCode {
    quiet_panics(name);
    outlive_limits();
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    let (said, state) = match run(&argv) {
        Ok(outcome) => (outcome.render(), outcome.state()),
        // Help is our own text, and its `|` separates choices: it is not cleaned.
        Err(Problem::Asked(text)) => {
            (format!("{}\n", text.trim_end()).into_bytes(), State::Unknown)
        }
        Err(problem) => {
            let line = format!("{name}: {problem}");
            (Outcome::new(State::Unknown, line).render(), State::Unknown)
        }
    };
    say(&said);
    ExitCode::from(state.code())
}

/// A panic from here on is one line and UNKNOWN (3).
pub(crate) fn quiet_panics(name: &'static str) {
    std::panic::set_hook(Box::new(move |info| panicked(name, info)));
}

/// Keeps the signals of resource limits from ending the program with a code of theirs (153, 152).
/// SIGPIPE is std's matter.
///
/// They are caught, and neither ignored nor blocked, because a program that we execute would
/// inherit that.
pub(crate) fn outlive_limits() {
    static NOTED: AtomicBool = AtomicBool::new(false);
    static ALWAYS: AtomicBool = AtomicBool::new(true);
    // Where one cannot be caught, all else still works. The write beyond the limit fails, and its
    // error names the file.
    let _ = flag::register(SIGXFSZ, &NOTED);
    let _ = flag::register_conditional_shutdown(SIGXCPU, State::Unknown.code().into(), &ALWAYS);
}

fn panicked(name: &str, info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let what = info.payload_as_str().unwrap_or("no message");
    end(&Outcome::new(
        State::Unknown,
        format!("{name}: internal error, please report it: {what} ({place})"),
    ));
}

/// Says this and ends the program, wherever it is: for a panic, or a person who waits no longer.
#[allow(
    clippy::exit,
    reason = "with panic = abort the hook is the last code to run, and a signal leaves nobody to \
              return to"
)]
pub fn end(outcome: &Outcome) -> ! {
    say(&outcome.render());
    std::process::exit(i32::from(outcome.state().code()))
}

/// A reader that has gone, or a full disk behind stdout, changes nothing about what was found: the
/// code still tells.
fn say(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}
