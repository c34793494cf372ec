//! Collects the output of a host up to a limit and extracts the answer. Both backends use this
//! module.

use std::time::Duration;

use crate::answer::Answer;
use crate::error::{Error, Phase};
use crate::frame::{FRAME, has_frame, read_answer};
use crate::lines::{OutputLines, PROGRESS};
use crate::request::Request;
use crate::text::quoted;

/// How many bytes of stdout to accept. The gate itself sends less than 256 KiB. The other 64 KiB
/// are for anything that an rc file prints before the gate's output.
const MAX_STDOUT: usize = (256 + 64) * 1024;
/// How many bytes of stderr to keep for messages.
const MAX_STDERR: usize = 4 * 1024;
/// How long to wait for stdout and stderr to close after the answer. A daemon that the repair has
/// started may keep them open forever.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// The output of the command on the host, and how the command ended.
pub(crate) struct ResponseBuffer {
    stdout: Vec<u8>,
    lines: OutputLines,
    stderr: Vec<u8>,
    answered: bool,
    /// Whether stdout exceeded [`MAX_STDOUT`]. The rest is not read.
    pub(crate) overflowed: bool,
    /// How the command ended, worded for messages.
    pub(crate) ending: Option<String>,
    /// Exit status of the command, or `None` if it is unknown.
    pub(crate) exit: Option<i32>,
}

impl ResponseBuffer {
    pub(crate) fn new() -> ResponseBuffer {
        let (stdout, stderr, lines) = (Vec::new(), Vec::new(), OutputLines::of_gate());
        let (answered, overflowed, ending, exit) = (false, false, None, None);
        ResponseBuffer { stdout, lines, stderr, answered, overflowed, ending, exit }
    }

    pub(crate) fn push_stdout(&mut self, bytes: &[u8], progress: &mut dyn FnMut(&str)) {
        if self.stdout.len() + bytes.len() > MAX_STDOUT {
            self.overflowed = true;
            return;
        }
        self.stdout.extend_from_slice(bytes);
        self.lines.push(bytes, progress);
        if bytes.contains(&b'\n') {
            self.answered = has_frame(&self.stdout);
        }
    }

    pub(crate) fn push_stderr(&mut self, bytes: &[u8]) {
        let room = MAX_STDERR.saturating_sub(self.stderr.len()).min(bytes.len());
        self.stderr.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    /// Whether stdout contains a complete frame.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// Removes the first line of stdout if it ends with `mark`. Returns whether stdout had any
    /// content before the removal.
    pub(crate) fn remove_mark(&mut self, mark: &str) -> bool {
        let had_output = !self.stdout.is_empty();
        let end = self.stdout.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        if self.stdout.get(..end).is_some_and(|line| line.ends_with(mark.as_bytes())) {
            self.stdout.drain(..=end);
        }
        had_output
    }

    /// Formats the beginning of stderr as the last part of a message. Returns an empty string if
    /// stderr is empty.
    pub(crate) fn stderr_excerpt(&self) -> String {
        if self.stderr.is_empty() {
            return String::new();
        }
        format!("; unverified stderr: {}", quoted(&self.stderr))
    }

    /// Whether it is certain that a program other than the gate ran and exited by itself.
    ///
    /// Three kinds of exit status leave this open. A gate that panicked exits with 2 and sends no
    /// frame. A shell reports 128 or more if the gate was killed. libssh2 returns 0 if the host
    /// sent no status.
    fn is_without_gate(&self) -> bool {
        let ended = matches!(self.exit, Some(1 | 3..=127));
        let is_gates = |part: &[u8]| part == FRAME || part == PROGRESS;
        ended && !self.overflowed && !self.stdout.windows(FRAME.len()).any(is_gates)
    }

    /// Parses the answer. The error includes the beginning of stderr and how the command ended.
    pub(crate) fn answer(
        self,
        host: &str,
        request: &Request,
        phase: Phase,
    ) -> Result<Answer, Error> {
        let no_gate = self.is_without_gate();
        let failed = |why| Error::NotFramed {
            host: host.into(),
            request: request.to_string(),
            why,
            phase,
            no_gate,
        };
        if self.overflowed {
            return Err(failed(format!("the output is longer than {} KiB", MAX_STDOUT / 1024)));
        }
        let stderr = self.stderr_excerpt();
        read_answer(request, &self.stdout).map_err(|why| {
            let ending = self.ending.map(|ending| format!("; {ending}")).unwrap_or_default();
            failed(format!("{why}{stderr}{ending}"))
        })
    }
}
