//! The trait for monitoring engines.

use std::time::{Instant, SystemTime};

use policy::{Event, Observation};

use crate::error::Error;
use crate::notification::Notification;

/// What these programs need from a monitoring engine.
pub trait Engine {
    /// Returns the current condition of the event's object. The state is included only if it comes
    /// from a check after `since`. Returns `None` if the policy does not configure a source for the
    /// condition, for example a status file.
    ///
    /// # Errors
    /// Fails if the engine does not answer before `deadline` or does not know the object.
    fn observe(
        &mut self,
        event: &Event,
        since: SystemTime,
        deadline: Instant,
    ) -> Result<Option<Observation>, Error>;

    /// Reports how a repair ended, in a comment on the object. If the repair helped, also forces a
    /// check of the object. Otherwise submits a CRITICAL result for the service that reports
    /// repairs. Returns `false` if the policy does not configure a destination for the report, for
    /// example a command file.
    ///
    /// # Errors
    /// Fails if the engine does not accept the report before `deadline`. The result of the repair
    /// is not affected.
    fn notify(&mut self, notification: &Notification<'_>, deadline: Instant)
    -> Result<bool, Error>;
}
