//! One absolute deadline for a whole question, however it travels.

use std::time::{Duration, Instant};

use crate::{Error, Phase};

/// How long this question may take, and whose errors they are.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    host: String,
    begun: Instant,
    deadline: Instant,
}

impl Clock {
    pub(crate) fn new(host: &str, deadline: Instant) -> Clock {
        Clock { host: host.into(), begun: Instant::now(), deadline }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left of the time, which is never nothing.
    pub(crate) fn left(&self, phase: Phase) -> Result<Duration, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.timeout(phase)) } else { Ok(left) }
    }

    pub(crate) fn timeout(&self, phase: Phase) -> Error {
        let within = self.deadline.saturating_duration_since(self.begun);
        Error::Timeout { host: self.host.clone(), phase, within }
    }
}
