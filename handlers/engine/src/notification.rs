//! The report to an engine.

use policy::Event;

/// The report about the end of a repair.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// The event that the repair answered. It names the object.
    pub event: &'a Event,
    /// The text of the comment. Parts of it can come from the repaired host.
    pub text: &'a str,
    /// Whether the repair helped.
    pub healed: bool,
}
