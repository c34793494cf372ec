//! What is reported to an engine when a repair ends.

use policy::Event;

/// A report on how a repair ended.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// The event that the repair answered, which names the object.
    pub event: &'a Event,
    /// The text of the comment. Parts of it can come from the repaired host.
    pub text: &'a str,
    /// Whether the repair helped.
    pub healed: bool,
}
