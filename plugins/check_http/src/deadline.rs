//! The time limit of a run: name lookup, connect, TLS, sending, reading and every redirect share
//! one.

use std::time::{Duration, Instant};

/// When the run started and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    run_start: Instant,
    /// When the command line and its files had been read: a slow file is not a slow server.
    check_start: Instant,
    limit: Option<Duration>,
}

/// The time limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time limit has passed")]
pub struct TimedOut;

impl Deadline {
    /// Starts to measure the check, in a run that started at `run_start` and has already measured
    /// `spent`. Without a limit the run never ends.
    pub fn start(run_start: Instant, spent: Duration, limit: Option<Duration>) -> Deadline {
        Deadline { run_start, check_start: ago(spent), limit }
    }

    /// Time since the check started.
    pub fn elapsed(&self) -> Duration {
        self.check_start.elapsed()
    }

    /// Time since the run started.
    pub fn spent(&self) -> Duration {
        self.run_start.elapsed()
    }

    /// When the run must end; `None` without a limit.
    pub fn end(&self) -> Option<Instant> {
        end_of(self.run_start, self.limit)
    }

    /// Time left; `None` without a limit.
    pub fn left(&self) -> Result<Option<Duration>, TimedOut> {
        match self.limit {
            None => Ok(None),
            Some(limit) => limit
                .checked_sub(self.spent())
                .filter(|left| !left.is_zero())
                .map(Some)
                .ok_or(TimedOut),
        }
    }
}

/// When a run that started at `run_start` must end; `None` without a limit.
pub fn end_of(run_start: Instant, limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| run_start.checked_add(limit))
}

/// The moment that is `spent` before now.
pub fn ago(spent: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(spent).unwrap_or(now)
}

impl From<TimedOut> for std::io::Error {
    fn from(_: TimedOut) -> std::io::Error {
        std::io::ErrorKind::TimedOut.into()
    }
}
