//! Colours for the terminal.

use plugin_kit::Out;

/// The importance of a piece of text, which determines its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The default colour of the terminal.
    Plain,
    /// Green: no problem.
    Good,
    /// Yellow: something that an admin should look at.
    Uneasy,
    /// Red: a problem.
    Bad,
    /// Dimmed: less important.
    Faint,
}

impl Tone {
    /// Returns the parameter of the SGR control sequence (ECMA-48).
    fn sgr(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some("32"),
            Tone::Uneasy => Some("33"),
            Tone::Bad => Some("31"),
            Tone::Faint => Some("2"),
        }
    }

    /// Returns `text`, coloured if `out` supports colours.
    pub fn paint(self, text: &str, out: &Out) -> String {
        match self.sgr().filter(|_| out.has_colour()) {
            Some(sgr) => format!("\x1b[{sgr}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}
