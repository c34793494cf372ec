//! The one deadline of a run: name look-up, connect, TLS, sending, reading and every redirect share
//! it.

use std::time::{Duration, Instant};

/// When the run began and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    begin: Instant,
    /// When the command line and the files it names were read: a slow file is not a slow server.
    start: Instant,
    limit: Option<Duration>,
}

/// The run took as long as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl Clock {
    /// Starts to measure, in a run that began at `begin` and has measured `spent` already. No
    /// limit: for ever.
    pub fn start(begin: Instant, spent: Duration, limit: Option<Duration>) -> Clock {
        Clock { begin, start: ago(spent), limit }
    }

    /// Time since the measure started.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Time since the run began.
    pub fn spent(&self) -> Duration {
        self.begin.elapsed()
    }

    /// When the run must end.
    pub fn deadline(&self) -> Option<Instant> {
        deadline(self.begin, self.limit)
    }

    /// What is left of the limit; `None` when there is no limit.
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

/// When a run that began at `begin` must end.
pub fn deadline(begin: Instant, limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| begin.checked_add(limit))
}

/// The moment so long ago.
pub fn ago(spent: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(spent).unwrap_or(now)
}

impl From<TimedOut> for std::io::Error {
    fn from(_: TimedOut) -> std::io::Error {
        std::io::ErrorKind::TimedOut.into()
    }
}
