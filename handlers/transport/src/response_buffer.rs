//! What a host wrote, bounded, until it is an answer or not. The same for every way of reaching it.

use std::time::Duration;

use crate::frame::{has_frame, read_answer};
use crate::lines::Lines;
use crate::text::quoted;
use crate::{Answer, Error, Phase, Request};

/// More than any gate says: it bounds its own output far below.
const MOST: usize = 256 * 1024;
/// How much of stderr is kept, for the message when there is no answer.
const STDERR_KEPT: usize = 4 * 1024;
/// How long the end of the conversation is waited for once the answer is there. A daemon that a
/// repair has started may hold it open for ever.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// What the other side wrote, and how it ended.
pub(crate) struct Heard {
    stdout: Vec<u8>,
    progress: Lines,
    stderr: Vec<u8>,
    answered: bool,
    /// More came than is ever read; the rest stays where it is.
    pub(crate) too_much: bool,
    /// How the command ended: for a message, never for a verdict.
    pub(crate) ending: Option<String>,
}

impl Heard {
    /// Nothing yet.
    pub(crate) fn new() -> Heard {
        let (stdout, stderr, progress) = (Vec::new(), Vec::new(), Lines::of_a_gate());
        Heard { stdout, progress, stderr, answered: false, too_much: false, ending: None }
    }

    pub(crate) fn stdout(&mut self, bytes: &[u8], watch: &mut dyn FnMut(&str)) {
        if self.stdout.len() + bytes.len() > MOST {
            self.too_much = true;
            return;
        }
        self.stdout.extend_from_slice(bytes);
        self.progress.push(bytes, watch);
        if bytes.contains(&b'\n') {
            self.answered = has_frame(&self.stdout);
        }
    }

    pub(crate) fn stderr(&mut self, bytes: &[u8]) {
        let room = STDERR_KEPT.saturating_sub(self.stderr.len()).min(bytes.len());
        self.stderr.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    /// Whether a whole frame has arrived, so that only the end is missing.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// Removes the first line of stdout if it ends with this word. Returns whether anything had
    /// been written.
    pub(crate) fn remove_mark(&mut self, mark: &str) -> bool {
        let wrote = !self.stdout.is_empty();
        let end = self.stdout.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        if self.stdout.get(..end).is_some_and(|line| line.ends_with(mark.as_bytes())) {
            self.stdout.drain(..=end);
        }
        wrote
    }

    /// What stderr begins with, as the end of a sentence.
    pub(crate) fn said(&self) -> String {
        if self.stderr.is_empty() {
            return String::new();
        }
        format!("; stderr says, unverified: {}", quoted(&self.stderr))
    }

    /// The answer, or why there is none with what else the host had to say about it.
    pub(crate) fn answer(
        self,
        host: &str,
        request: &Request,
        phase: Phase,
    ) -> Result<Answer, Error> {
        let failed =
            |why| Error::NotFramed { host: host.into(), request: request.to_string(), why, phase };
        if self.too_much {
            return Err(failed(format!("it is longer than {} KiB", MOST / 1024)));
        }
        let said = self.said();
        read_answer(request, &self.stdout).map_err(|mut why| {
            why.push_str(&said);
            if let Some(ending) = self.ending {
                why.push_str(&format!("; {ending}"));
            }
            failed(why)
        })
    }
}
