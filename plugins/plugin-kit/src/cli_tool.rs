//! Output and exit codes for the programs that people and scripts run. Programs that Nagios runs
//! use [`guard()`](crate::guard()) instead.

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};
use std::process::ExitCode;

use crate::guard::{Problem, catch_limit_signals, set_panic_hook};
use crate::state::State;
use crate::text::printable;

/// How a command ended. The value of each variant is the exit code. A [`Problem`] results in exit
/// code 3, as in plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ToolResult {
    /// The command did its work and found nothing wrong.
    Fine = 0,
    /// The command did its work and found something wrong.
    Wrong = 1,
    /// The command could not do its work, or could do only part of it.
    Failed = 2,
}

/// Buffered standard output. A closed pipe (`| head`) is not an error. Any other write error, for
/// example a full disk, is reported when the command ends.
#[derive(Debug)]
pub struct Out {
    to: BufWriter<Stdout>,
    failed: Option<io::Error>,
    terminal: bool,
}

impl Out {
    fn new() -> Out {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Out { to: BufWriter::new(stdout), failed: None, terminal }
    }

    /// Writes one line unchanged. Pass untrusted text through [`clean`](crate::clean) first.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.bytes(text.as_ref().as_bytes());
        self.bytes(b"\n");
    }

    /// Writes bytes unchanged.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.to.write_all(bytes).err();
        }
    }

    /// Flushes everything written so far.
    pub fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.to.flush().err();
        }
    }

    /// Whether a write has failed, for example because the reader has closed the pipe. After that,
    /// nothing more is written.
    pub fn is_closed(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether stdout is a terminal. Only terminals get tables and colours.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether to use colours. This requires that stdout is a terminal, that `TERM` is not `dumb`,
    /// and that `NO_COLOR` is unset or empty (<https://no-color.org>).
    pub fn has_colour(&self) -> bool {
        let set = |name| std::env::var_os(name).unwrap_or_default();
        self.terminal && set("NO_COLOR").is_empty() && set("TERM") != "dumb"
    }

    fn close(mut self) -> Result<(), Problem> {
        self.flush();
        match self.failed {
            Some(why) if why.kind() != ErrorKind::BrokenPipe => {
                Err(Problem::Internal(format!("cannot write to standard output: {why}")))
            }
            _ => Ok(()),
        }
    }
}

/// Passes the arguments after the program's name to `run` and returns the exit code. If `run`
/// returns a problem, prints it to standard error as `name: text` and returns 3. After help and
/// version, returns 0.
pub fn cli_tool(
    name: &'static str,
    run: impl FnOnce(&[OsString], &mut Out) -> Result<ToolResult, Problem>,
) -> ExitCode {
    set_panic_hook(name);
    catch_limit_signals();
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut out = Out::new();
    let result = match run(&argv, &mut out) {
        Err(Problem::HelpRequested(text)) => {
            out.line(text.trim_end());
            Ok(ToolResult::Fine)
        }
        result => result,
    };
    match out.close().and(result) {
        Ok(result) => ExitCode::from(result as u8),
        Err(problem) => {
            // Keep every `|`. Only Nagios treats it as the start of perfdata, and a suggested
            // command may contain a pipe.
            let _ = writeln!(io::stderr(), "{name}: {}", printable(&problem.to_string()));
            ExitCode::from(State::Unknown.code())
        }
    }
}
