//! The trait for monitoring engines.

use std::time::{Instant, SystemTime};

use policy::{Event, ObjectNow, Observation};

use crate::configuration::ObjectCache;
use crate::error::Error;
use crate::notification::Notification;
use crate::status::{EngineSummary, ObjectReport};
use crate::status_snapshot::StatusSnapshot;

/// What these programs need from a monitoring engine. Each request ends at its `deadline`. If the
/// policy configures no source for the state, for example no status file, the requests for the
/// state return `None`.
pub trait Engine {
    /// Returns the name of the engine, for messages.
    fn name(&self) -> &'static str;

    /// Returns the current condition of the event's object. The state is included only if it comes
    /// from a check after `since`.
    ///
    /// # Errors
    /// Fails if the engine does not answer or does not know the object.
    fn observe(
        &mut self,
        event: &Event,
        since: SystemTime,
        deadline: Instant,
    ) -> Result<Option<Observation>, Error>;

    /// Like [`Engine::observe`], but returns no share of objects in trouble, because some engines
    /// have to read the state of every object to calculate the share.
    ///
    /// # Errors
    /// Fails if the engine does not answer or does not know the object.
    fn look_again(
        &mut self,
        event: &Event,
        since: SystemTime,
        deadline: Instant,
    ) -> Result<Option<ObjectNow>, Error> {
        Ok(self.observe(event, since, deadline)?.map(|observed| observed.object))
    }

    /// Returns the status of a host, or of one of its services. The names are encoded by
    /// [`policy::spell`].
    ///
    /// # Errors
    /// Fails if the engine does not answer.
    fn find(
        &mut self,
        host: &str,
        service: Option<&str>,
        deadline: Instant,
    ) -> Result<Option<ObjectReport>, Error>;

    /// Returns the services of a host; `None` if the engine does not know the host.
    ///
    /// # Errors
    /// Fails if the engine does not answer.
    fn services(&mut self, host: &str, deadline: Instant) -> Result<Option<Vec<String>>, Error>;

    /// Returns the share of objects in trouble, and the status of the engine itself.
    ///
    /// # Errors
    /// Fails if the engine does not answer.
    fn summary(&mut self, deadline: Instant) -> Result<Option<EngineSummary>, Error>;

    /// Returns the opted-in objects with a HARD fault, and their hosts.
    ///
    /// # Errors
    /// Fails if the engine does not answer.
    fn snapshot(&mut self, deadline: Instant) -> Result<Option<StatusSnapshot>, Error>;

    /// Replaces a snapshot of this engine if the state may have changed since it was taken.
    ///
    /// # Errors
    /// Fails if the engine does not answer. The snapshot then stays as it is.
    fn refresh(&mut self, snapshot: &mut StatusSnapshot, deadline: Instant) -> Result<(), Error> {
        if let Some(current) = self.snapshot(deadline)? {
            *snapshot = current;
        }
        Ok(())
    }

    /// Returns the addresses of all hosts, and the names of the repairs that objects opted in to.
    /// Returns `None` if this engine keeps them in a file that the policy does not name.
    ///
    /// # Errors
    /// Fails if the engine does not answer.
    fn objects(&mut self, deadline: Instant) -> Result<Option<ObjectCache>, Error>;

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
