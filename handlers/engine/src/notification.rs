//! The report that an engine receives when a repair ends.

use plugin_kit::clean;
use policy::Event;

/// Maximum length of a comment, in characters. Comments are kept short because the engine holds
/// them in memory and saves them with its state.
const LONGEST: usize = 800;

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

impl Notification<'_> {
    /// Returns the text, shortened to [`LONGEST`] characters and without control characters and
    /// HTML special characters. This is necessary because parts of the text come from the repaired
    /// host, and Nagios' own web pages do not escape comments.
    pub(crate) fn comment(&self) -> String {
        let text = clean(self.text).replace('<', "(").replace('>', ")").replace('&', "+");
        text.chars().take(LONGEST).collect()
    }
}
