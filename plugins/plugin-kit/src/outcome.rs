//! The result of a plugin, typed until it is written.

use crate::perfdata::Perfdata;
use crate::state::State;
use crate::text::{clean, clean_lines};

/// A state with its text and perfdata. [`Outcome::render`] cleans the text, so it may contain what
/// a server sent.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    state: State,
    lines: Vec<String>,
    perfdata: Vec<Perfdata>,
    long: Option<String>,
}

impl Outcome {
    /// An outcome with a complete first line: `HTTP OK: …`.
    pub fn new(state: State, line: impl Into<String>) -> Outcome {
        Outcome { state, lines: vec![line.into()], perfdata: Vec::new(), long: None }
    }

    /// Adds a line of text, before the perfdata.
    pub fn line(mut self, line: impl Into<String>) -> Outcome {
        self.lines.push(line.into());
        self
    }

    /// Adds a line of text above all others.
    pub fn above(mut self, line: impl Into<String>) -> Outcome {
        self.lines.insert(0, line.into());
        self
    }

    /// Adds a remark to the end of the first line, before its trailing blank if it has one.
    pub fn remark(mut self, text: &str) -> Outcome {
        if let Some(line) = self.lines.first_mut() {
            let blank = if line.ends_with(' ') { " " } else { "" };
            *line = format!("{} {text}{blank}", line.trim_end());
        }
        self
    }

    /// Raises the state to `state` if that is worse.
    pub fn at_least(mut self, state: State) -> Outcome {
        self.state = self.state.worst(state);
        self
    }

    /// Adds an item of perfdata. It follows the last line after a bare `|`: end that line with a
    /// blank to get `text |perfdata`.
    pub fn perfdata(mut self, item: Perfdata) -> Outcome {
        self.perfdata.push(item);
        self
    }

    /// Adds text of several lines below everything else, such as a body or details. A second call
    /// adds below the first. Newlines and tabs stay; the rest is cleaned like a line, because
    /// Nagios reads perfdata after a `|` here too.
    pub fn long(mut self, text: impl Into<String>) -> Outcome {
        let above = self.long.map(|above| above + "\n").unwrap_or_default();
        self.long = Some(above + &text.into());
        self
    }

    /// The first line, uncleaned.
    pub fn headline(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// The state, whose code is the exit code.
    pub fn state(&self) -> State {
        self.state
    }

    /// The bytes for stdout: cleaned lines, perfdata after `|`, a final newline.
    pub fn render(&self) -> Vec<u8> {
        let lines: Vec<String> = self.lines.iter().map(|line| clean(line)).collect();
        let mut text = lines.join("\n");
        if !self.perfdata.is_empty() {
            let items: Vec<String> = self.perfdata.iter().map(Perfdata::to_string).collect();
            text.push('|');
            text.push_str(&items.join(" "));
        }
        text.push('\n');
        if let Some(long) = &self.long {
            text.push_str(&clean_lines(long));
            text.push('\n');
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perfdata::Number;

    #[test]
    fn perfdata_follows_the_last_line() {
        let size = Perfdata::new("size", Number::Count(1), "B");
        let outcome = Outcome::new(State::Ok, "HTTP OK: fine ").perfdata(size);
        assert_eq!(outcome.render(), b"HTTP OK: fine |size=1B;;;;\n");
    }

    #[test]
    fn remark_goes_to_the_first_line() {
        let outcome = Outcome::new(State::Ok, "fine ").line("below").remark("at ::1");
        assert_eq!(outcome.headline(), "fine at ::1 ");
        assert_eq!(
            Outcome::new(State::Ok, "fine").remark("- x").long("a").long("b").render(),
            b"fine - x\na\nb\n"
        );
    }

    #[test]
    fn newline_in_a_line_does_not_start_another() {
        assert_eq!(Outcome::new(State::Critical, "a\nb|c").line("d").render(), b"a b/c\nd\n");
    }

    #[test]
    fn long_text_keeps_newlines_but_not_perfdata_separators() {
        let outcome = Outcome::new(State::Ok, "fine").long("a\r\n\tb|c\rd\x1b[0m");
        assert_eq!(outcome.render(), b"fine\na\r\n\tb/c d [0m\n");
    }
}
