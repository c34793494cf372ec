//! The time limit of a run. Name lookup, connect, TLS, sending, reading and all redirects share it.

use std::time::{Duration, Instant};

/// When the run started, and its time limit.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    run_start: Instant,
    /// When the check itself started. This is after the command line and the files that it names
    /// were read, so that a slow file does not add to the server's response time.
    check_start: Instant,
    limit: Option<Duration>,
}

/// The time limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time limit has passed")]
pub struct TimedOut;

impl Deadline {
    /// Starts the clock for the check. `run_start` is when this program started. If check_http
    /// executed this program, `spent` is the time that check_http had already used; otherwise it is
    /// 0. If `limit` is `None`, the run never times out.
    pub fn start(run_start: Instant, spent: Duration, limit: Option<Duration>) -> Deadline {
        Deadline { run_start, check_start: ago(spent), limit }
    }

    /// Returns how long ago the check started.
    pub fn elapsed(&self) -> Duration {
        self.check_start.elapsed()
    }

    /// Returns how long ago the run started.
    pub fn spent(&self) -> Duration {
        self.run_start.elapsed()
    }

    /// Returns when the run must end, or `None` without a limit.
    pub fn end(&self) -> Option<Instant> {
        end_of(self.run_start, self.limit)
    }

    /// Returns the time left, or `None` without a limit.
    ///
    /// # Errors
    ///
    /// Fails if no time is left.
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

/// Returns when a run that started at `run_start` must end, or `None` without a limit.
pub fn end_of(run_start: Instant, limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| run_start.checked_add(limit))
}

/// Returns the point in time `spent` ago.
pub fn ago(spent: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(spent).unwrap_or(now)
}

impl From<TimedOut> for std::io::Error {
    fn from(_: TimedOut) -> std::io::Error {
        std::io::ErrorKind::TimedOut.into()
    }
}
