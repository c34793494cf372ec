//! The interface to a monitoring engine.

use std::time::{Instant, SystemTime};

use policy::{Event, Observation};

use crate::error::Error;
use crate::notification::Notification;

/// A monitoring engine.
pub trait Engine {
    /// Returns what the engine knows of the event's object now. A state counts only if a check has
    /// found it after `since`. `None` if the policy names no place to look.
    ///
    /// # Errors
    /// The engine does not answer before `deadline`, or does not know the object.
    fn observe(
        &mut self,
        event: &Event,
        since: SystemTime,
        deadline: Instant,
    ) -> Result<Option<Observation>, Error>;

    /// Reports the end of a repair: a comment, then a forced check if it healed, else a CRITICAL
    /// result of the service that reports repairs. `false` if the policy names no place to report
    /// to.
    ///
    /// # Errors
    /// The engine does not take the report before `deadline`. The repair itself is not affected.
    fn notify(&mut self, notification: &Notification<'_>, deadline: Instant)
    -> Result<bool, Error>;
}
