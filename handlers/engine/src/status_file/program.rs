//! Nagios itself in the status file.

use std::time::{Duration, SystemTime};

use super::field::{split, time};

/// What the file says of Nagios itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramStatus {
    /// When the file was written; 1970 when it does not say.
    pub written: SystemTime,
    /// When Nagios was started.
    pub started: SystemTime,
    /// Whether event handlers are called at all.
    pub event_handlers: bool,
    /// The line of `enable_event_handlers`, from 1; 0 if the file does not say it.
    pub event_handlers_line: u32,
}

impl ProgramStatus {
    /// A program of which nothing is known.
    pub(super) fn nothing() -> ProgramStatus {
        ProgramStatus {
            written: SystemTime::UNIX_EPOCH,
            started: SystemTime::UNIX_EPOCH,
            event_handlers: false,
            event_handlers_line: 0,
        }
    }

    /// Age of the file at `now`; zero if it was written later.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.written).unwrap_or_default()
    }

    /// Takes in a field, which is written in this line.
    pub(super) fn take(&mut self, field: &[u8], line: u32) {
        match split(field) {
            Some((b"created", value)) => self.written = time(value),
            Some((b"program_start", value)) => self.started = time(value),
            Some((b"enable_event_handlers", value)) => {
                (self.event_handlers, self.event_handlers_line) = (value == b"1", line)
            }
            _ => {}
        }
    }
}
