//! What the engine reports about itself.

use std::time::{Duration, SystemTime};

use super::field::{split, time};

/// The status of the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramStatus {
    /// Time when the engine wrote or sent its state; `UNIX_EPOCH` if the field is missing.
    pub written: SystemTime,
    /// Time when the engine was started; `UNIX_EPOCH` if the field is missing.
    pub started: SystemTime,
    /// Whether event handlers are enabled globally.
    pub event_handlers: bool,
    /// Line number of the field `enable_event_handlers`, from 1; 0 if the field is missing.
    pub event_handlers_line: u32,
}

impl ProgramStatus {
    /// Creates an empty status.
    pub(crate) fn nothing() -> ProgramStatus {
        ProgramStatus {
            written: SystemTime::UNIX_EPOCH,
            started: SystemTime::UNIX_EPOCH,
            event_handlers: false,
            event_handlers_line: 0,
        }
    }

    /// Returns the age of the state at `now`; zero if the state was written after `now`.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.written).unwrap_or_default()
    }

    /// Stores a field that was read from the given line.
    pub(crate) fn take(&mut self, field: &[u8], line: u32) {
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
