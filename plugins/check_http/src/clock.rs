//! The one deadline of a run: name look-up, connect, TLS, sending, reading and every redirect share it.

use std::time::{Duration, Instant};

/// When the run began and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    limit: Option<Duration>,
}

/// The run took as long as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl Clock {
    /// Starts a clock of which `spent` has passed already. No limit: for ever.
    pub fn start(spent: Duration, limit: Option<Duration>) -> Clock {
        let now = Instant::now();
        Clock { start: now.checked_sub(spent).unwrap_or(now), limit }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What is left of the limit; `None` when there is no limit.
    pub fn left(&self) -> Result<Option<Duration>, TimedOut> {
        match self.limit {
            None => Ok(None),
            Some(limit) => limit.checked_sub(self.elapsed()).filter(|left| !left.is_zero()).map(Some).ok_or(TimedOut),
        }
    }
}

impl From<TimedOut> for std::io::Error {
    fn from(_: TimedOut) -> std::io::Error {
        std::io::ErrorKind::TimedOut.into()
    }
}
