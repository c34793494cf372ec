//! Output and exit codes of a program that people and scripts run; [`guard()`](crate::guard()) is
//! for those that Nagios runs.

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};
use std::process::ExitCode;

use crate::guard::{Problem, catch_limit_signals, set_panic_hook};
use crate::state::State;
use crate::text::printable;

/// How a command ended, as its exit code. A [`Problem`] exits 3, as in a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ToolResult {
    /// 0: done, no findings.
    Fine = 0,
    /// 1: done, with findings.
    Wrong = 1,
    /// 2: not done, or not completely.
    Failed = 2,
}

/// Standard output for many lines. A closed pipe (`| head`) is not an error; a full disk is one,
/// reported at the end.
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

    /// Writes one line as it is. Text from others has to go through [`clean`](crate::clean) first.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.bytes(text.as_ref().as_bytes());
        self.bytes(b"\n");
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.to.write_all(bytes).err();
        }
    }

    /// Flushes what was written so far.
    pub fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.to.flush().err();
        }
    }

    /// Whether stdout is a terminal. Tables and colours are for terminals only.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether colours may be used: on a terminal that is not `dumb`, without `NO_COLOR`
    /// (<https://no-color.org>).
    pub fn has_colour(&self) -> bool {
        let set = |name| std::env::var_os(name).unwrap_or_default();
        self.terminal && set("NO_COLOR").is_empty() && set("TERM") != "dumb"
    }

    fn close(mut self) -> Result<(), Problem> {
        self.flush();
        match self.failed {
            Some(why) if why.kind() != ErrorKind::BrokenPipe => {
                Err(Problem::Internal(format!("standard output: {why}")))
            }
            _ => Ok(()),
        }
    }
}

/// Runs `run` on the arguments after the program's name and returns its exit code. A problem goes
/// to standard error as `name: text` and exits 3. Help and version exit 0.
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
            // A `|` is perfdata to Nagios alone, and a pipe in a command that is to be pasted.
            let _ = writeln!(io::stderr(), "{name}: {}", printable(&problem.to_string()));
            ExitCode::from(State::Unknown.code())
        }
    }
}
