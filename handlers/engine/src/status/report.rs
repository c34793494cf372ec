//! The part of an engine's state that a decision about one object needs.

use std::time::SystemTime;

use policy::{ObjectNow, ObjectState, Observation};

use super::object::ObjectStatus;
use super::program::ProgramStatus;

/// What an engine reports about one object.
#[derive(Debug)]
pub struct ObjectReport {
    /// The status of the engine itself, without line numbers.
    pub program: ProgramStatus,
    /// The object; `None` if the engine does not know it. Its line numbers are counted from the
    /// start of its block.
    pub object: Option<ObjectStatus>,
    /// The host of a service, or the host itself; `None` if the engine does not know it.
    pub host: Option<ObjectStatus>,
    /// The number of opted-in objects that are in trouble, and the number of all opted-in objects.
    pub share: (u32, u32),
}

/// What an engine reports about all objects together.
#[derive(Debug)]
pub struct EngineSummary {
    /// The status of the engine itself.
    pub program: ProgramStatus,
    /// The number of opted-in objects that are in trouble, and the number of all opted-in objects.
    pub share: (u32, u32),
}

impl ObjectReport {
    /// Returns the condition of the object for a decision about an event at `since`. Returns `None`
    /// if the engine does not know the object or its host, because an unknown host could be in
    /// downtime.
    pub(crate) fn observation(&self, since: SystemTime) -> Option<Observation> {
        let object = condition(self.object.as_ref()?, self.host.as_ref()?, since);
        Some(Observation { object, share: self.share })
    }
}

/// Returns the condition of an object for a decision about an event at `since`.
pub(crate) fn condition(
    object: &ObjectStatus,
    host: &ObjectStatus,
    since: SystemTime,
) -> ObjectNow {
    object.object_now(state_since(object, since), host.downtime)
}

/// Returns the state of the object if it comes from a check after `since`; otherwise `None`. Nagios
/// writes the status file only every few seconds, so an older state is out of date. The file's
/// times are whole seconds, so a check in the same second as the event counts as older.
///
/// If the object was good at any time after `since`, returns the good state even if the object is
/// broken again. The new fault is a separate event, for which the engine calls the handler again.
fn state_since(object: &ObjectStatus, since: SystemTime) -> Option<ObjectState> {
    let seconds = |at: SystemTime| {
        at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    };
    let is_later = |at: SystemTime| seconds(at) > seconds(since);
    let good = if object.service().is_some() { ObjectState::Ok } else { ObjectState::Up };
    if is_later(object.last_good) {
        Some(good)
    } else {
        is_later(object.last_check).then_some(object.state())
    }
}
