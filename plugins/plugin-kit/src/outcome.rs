//! What a program found, typed until the one write.

use crate::{Perfdata, State, clean};

/// A verdict with its text. Text is cleaned when it is rendered, so callers may put in what a server said.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    state: State,
    lines: Vec<String>,
    perfdata: Vec<Perfdata>,
    long: Vec<u8>,
}

impl Outcome {
    /// A verdict and its first line, whole: `HTTP OK: …`.
    pub fn new(state: State, line: impl Into<String>) -> Outcome {
        Outcome { state, lines: vec![line.into()], perfdata: Vec::new(), long: Vec::new() }
    }

    /// One more line of text, before the perfdata.
    pub fn line(mut self, line: impl Into<String>) -> Outcome {
        self.lines.push(line.into());
        self
    }

    /// One more item of perfdata. It follows the last line after a bare `|`, so end that line in a blank to see one.
    pub fn perfdata(mut self, item: Perfdata) -> Outcome {
        self.perfdata.push(item);
        self
    }

    /// Bytes printed as they are after everything else, from a new line on: a body a person asked to see.
    pub fn long(mut self, bytes: impl Into<Vec<u8>>) -> Outcome {
        self.long = bytes.into();
        self
    }

    /// The state, whose code is the exit code.
    pub fn state(&self) -> State {
        self.state
    }

    /// What is written to stdout: cleaned lines, perfdata behind `|`, a final newline.
    pub fn render(&self) -> Vec<u8> {
        let lines: Vec<String> = self.lines.iter().map(|line| clean(line)).collect();
        let mut text = lines.join("\n");
        if !self.perfdata.is_empty() {
            let items: Vec<String> = self.perfdata.iter().map(Perfdata::to_string).collect();
            text.push('|');
            text.push_str(&items.join(" "));
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        if !self.long.is_empty() {
            bytes.extend_from_slice(&self.long);
            bytes.push(b'\n');
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Number;

    #[test]
    fn perfdata_follows_the_last_line() {
        let outcome = Outcome::new(State::Ok, "HTTP OK: fine ").perfdata(Perfdata::new("size", Number::Count(1), "B"));
        assert_eq!(outcome.render(), b"HTTP OK: fine |size=1B;;;;\n");
    }

    #[test]
    fn a_newline_in_a_line_cannot_make_another() {
        assert_eq!(Outcome::new(State::Critical, "a\nb|c").line("d").render(), b"a b/c\nd\n");
    }
}
