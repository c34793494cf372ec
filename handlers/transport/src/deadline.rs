//! An absolute deadline for a whole request. Both backends use it.

use std::time::{Duration, Instant};

use crate::error::{Error, Phase};

/// The deadline of a request, and the name of the host to report in timeout errors.
#[derive(Debug, Clone)]
pub(crate) struct RequestDeadline {
    host: String,
    started: Instant,
    instant: Instant,
}

impl RequestDeadline {
    pub(crate) fn new(host: &str, instant: Instant) -> RequestDeadline {
        RequestDeadline { host: host.into(), started: Instant::now(), instant }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn instant(&self) -> Instant {
        self.instant
    }

    /// Returns the remaining time, which is never zero, or a timeout error if none is left.
    pub(crate) fn left(&self, phase: Phase) -> Result<Duration, Error> {
        let left = self.instant.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.timeout(phase)) } else { Ok(left) }
    }

    pub(crate) fn timeout(&self, phase: Phase) -> Error {
        let within = self.instant.saturating_duration_since(self.started);
        Error::Timeout { host: self.host.clone(), phase, within }
    }
}
