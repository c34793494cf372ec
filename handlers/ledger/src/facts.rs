//! The queries that a decision needs. Each store implements them in its own SQL.

use std::ops::ControlFlow;

use crate::Error;

/// The queries of a store for one object, and for the whole fleet. All times are in milliseconds
/// since 1970 on the clock of the store.
pub(crate) trait Facts {
    /// Returns the repairs that count as running: those within their lease, and those with a live
    /// process. A worker can outlive the lease of its repair if the clock was changed or the
    /// machine was suspended.
    fn unended(&self, now: i64) -> Result<Vec<Unended>, Error>;

    /// Returns the time of the newest reset of the object or its host. Ignores resets after
    /// `until`.
    fn last_reset(&self, until: i64) -> Result<Option<i64>, Error>;

    /// Returns the pauses in effect at `now` that cover the object. There are at most four.
    fn pauses(&self, now: i64) -> Result<Vec<CoveringPause>, Error>;

    /// Returns the object's newest job that this server reserved for `problem` after `since`. If
    /// `event` is given, considers only jobs for that state, state type and attempt. Ignores jobs
    /// that could not run, because the event still needs a repair.
    fn answered(
        &self,
        problem: &str,
        event: Option<&str>,
        since: i64,
    ) -> Result<Option<String>, Error>;

    /// Returns the object's job that ended last, and the time when it ended. Returns `None` if no
    /// job ended after `future`.
    fn ended_after(&self, future: i64) -> Result<Option<(String, i64)>, Error>;

    /// Returns how many repairs were reserved after `since`, and the time of the first of these
    /// reservations.
    fn started_since(&self, since: i64) -> Result<(u32, Option<i64>), Error>;

    /// Passes the repairs of the object to `each`, the newest first, until `each` returns `Break`.
    fn each_past(&self, each: EachPast<'_>) -> Result<(), Error>;

    /// Returns the time of the newest refusal between the times `after` and `before`, both
    /// exclusive. Refusals with the reason `same-event` do not count, because an event that Nagios
    /// repeats is not a sign of new trouble.
    fn newest_refusal(&self, after: i64, before: i64) -> Result<Option<i64>, Error>;

    /// Like [`Facts::newest_refusal`], but returns the time of the oldest refusal.
    fn oldest_refusal(&self, after: i64, before: i64) -> Result<Option<i64>, Error>;

    /// Returns the times of the refusals that came at least `quiet` milliseconds after the object's
    /// previous refusal. Considers only refusals after the time `after`, and returns them in any
    /// order. The policy's `healthy_for` and [`policy::REFUSALS_KEPT`] bound the number of results.
    /// Usually there are only a few, because each of these refusals begins a new incident.
    fn after_gaps(&self, quiet: i64, after: i64) -> Result<Vec<i64>, Error>;
}

/// A function that receives a repair and returns whether it needs the next older one.
pub(crate) type EachPast<'a> = &'a mut dyn FnMut(RecordedRepair) -> Result<ControlFlow<()>, Error>;

/// An earlier repair of an object, as recorded.
pub(crate) struct RecordedRepair {
    pub(crate) job: String,
    pub(crate) reserved: i64,
    /// When the repair ended. A repair whose worker died has no recorded end, so it counts as ended
    /// when its lease ends.
    pub(crate) ended: i64,
    /// The word for the outcome; `None` if the repair has no recorded end.
    pub(crate) outcome: Option<String>,
}

/// A repair that counts as running.
pub(crate) struct Unended {
    pub(crate) job: String,
    pub(crate) host: Vec<u8>,
    pub(crate) service: Vec<u8>,
    pub(crate) reserved: i64,
}

/// A pause that covers an object.
pub(crate) struct CoveringPause {
    pub(crate) by: String,
    pub(crate) reason: String,
    /// When the pause ends; `None` if it lasts until a user resumes repairs.
    pub(crate) until: Option<i64>,
}
