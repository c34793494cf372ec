//! What an engine answers, and what is reported to it.

use policy::{Event, ObjectNow};

/// What an engine knows of an object at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The object.
    pub object: ObjectNow,
    /// The number of objects with a repair that are in trouble, and of all with a repair.
    pub share: (u32, u32),
}

/// The end of a repair.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// The object that was to be repaired.
    pub event: &'a Event,
    /// The comment that the object gets. It may hold text of the repaired host.
    pub text: &'a str,
    /// Whether the repair helped.
    pub healed: bool,
}
