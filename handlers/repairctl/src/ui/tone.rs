//! Colours, where the terminal may show them.

use plugin_kit::Out;

/// The importance of a text, shown as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// No colour.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Uneasy,
    /// Wrong.
    Bad,
    /// Of less importance.
    Faint,
}

impl Tone {
    /// SGR parameters (ECMA-48).
    fn sgr(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some("32"),
            Tone::Uneasy => Some("33"),
            Tone::Bad => Some("31"),
            Tone::Faint => Some("2"),
        }
    }

    /// Returns `text`, in this tone when `out` may use colours.
    pub fn paint(self, text: &str, out: &Out) -> String {
        match self.sgr().filter(|_| out.has_colour()) {
            Some(sgr) => format!("\x1b[{sgr}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}
