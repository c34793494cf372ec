//! What is reported to an engine.

use policy::Event;

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
