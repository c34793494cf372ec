//! The way out of a program that people and scripts run, beside [`guard()`](crate::guard()) for
//! those that Nagios runs.

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};
use std::process::ExitCode;

use crate::guard::{Problem, outlive_limits, quiet_panics};

/// How a command ended; its code is the exit code. A [`Problem`] ends as 3, like that of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Found {
    /// 0: done, and nothing is wrong.
    Fine = 0,
    /// 1: done, and what was looked at is not as it should be.
    Wrong = 1,
    /// 2: could not be done, or not wholly.
    Failed = 2,
}

/// Standard output for many lines. A reader that has gone (`| head`) is no error; a full disk is
/// one, told at the end.
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

    /// One line, as it is: what others said has to be cleaned by [`clean`](crate::clean) before.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.bytes(text.as_ref().as_bytes());
        self.bytes(b"\n");
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.to.write_all(bytes).err();
        }
    }

    /// Shows what was written so far.
    pub fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.to.flush().err();
        }
    }

    /// Whether a person sees it: tables and, without `NO_COLOR`, colours are for them alone.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether colours may be used (<https://no-color.org>; a terminal that calls itself dumb has
    /// none).
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

/// Runs `run` on the arguments after the program's name. What it wrote comes out; a problem goes to
/// standard error, as `name: text`, and ends as 3. Help and version were asked for and end as 0.
pub fn tool(
    name: &'static str,
    run: impl FnOnce(&[OsString], &mut Out) -> Result<Found, Problem>,
) -> ExitCode {
    quiet_panics(name);
    outlive_limits();
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut out = Out::new();
    let ended = match run(&argv, &mut out) {
        Err(Problem::Asked(text)) => {
            out.line(text.trim_end());
            Ok(Found::Fine)
        }
        ended => ended,
    };
    match out.close().and(ended) {
        Ok(found) => ExitCode::from(found as u8),
        Err(problem) => {
            let _ = writeln!(io::stderr(), "{name}: {}", crate::clean(&problem.to_string()));
            ExitCode::from(crate::State::Unknown.code())
        }
    }
}
