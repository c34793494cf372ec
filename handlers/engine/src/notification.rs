//! The report that an engine receives when a repair ends.

use policy::Event;

/// A report on how a repair ended.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// The event that caused the repair. It names the object.
    pub event: &'a Event,
    /// The text of the comment. Parts of it can come from the repaired host.
    pub text: &'a str,
    /// Whether the repair helped.
    pub healed: bool,
}
