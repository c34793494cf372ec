//! What a program found, typed until the one write.

use crate::text::clean_lines;
use crate::{Perfdata, State, clean};

/// A verdict with its text. Text is cleaned when it is rendered, so callers may put in what a
/// server said.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    state: State,
    lines: Vec<String>,
    perfdata: Vec<Perfdata>,
    long: Option<String>,
}

impl Outcome {
    /// A verdict and its first line, whole: `HTTP OK: …`.
    pub fn new(state: State, line: impl Into<String>) -> Outcome {
        Outcome { state, lines: vec![line.into()], perfdata: Vec::new(), long: None }
    }

    /// One more line of text, before the perfdata.
    pub fn line(mut self, line: impl Into<String>) -> Outcome {
        self.lines.push(line.into());
        self
    }

    /// One more line of text, above all others.
    pub fn above(mut self, line: impl Into<String>) -> Outcome {
        self.lines.insert(0, line.into());
        self
    }

    /// A remark at the end of the first line, whose last blank stays where it is.
    pub fn remark(mut self, text: &str) -> Outcome {
        if let Some(line) = self.lines.first_mut() {
            let blank = if line.ends_with(' ') { " " } else { "" };
            *line = format!("{} {text}{blank}", line.trim_end());
        }
        self
    }

    /// Makes the verdict no better than `state`.
    pub fn at_least(mut self, state: State) -> Outcome {
        self.state = self.state.worst(state);
        self
    }

    /// One more item of perfdata. It follows the last line after a bare `|`, so end that line in a
    /// blank to see one.
    pub fn perfdata(mut self, item: Perfdata) -> Outcome {
        self.perfdata.push(item);
        self
    }

    /// Text of several lines after everything else, from a new line on: a body or details a person
    /// asked to see. More of it goes below. Its newlines and tabs stay; the rest is cleaned as a
    /// line is, for Nagios reads perfdata behind a `|` here too.
    pub fn long(mut self, text: impl Into<String>) -> Outcome {
        let above = self.long.map(|above| above + "\n").unwrap_or_default();
        self.long = Some(above + &text.into());
        self
    }

    /// The first line, as it was given.
    pub fn headline(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
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
    use crate::Number;

    #[test]
    fn perfdata_follows_the_last_line() {
        let outcome = Outcome::new(State::Ok, "HTTP OK: fine ").perfdata(Perfdata::new(
            "size",
            Number::Count(1),
            "B",
        ));
        assert_eq!(outcome.render(), b"HTTP OK: fine |size=1B;;;;\n");
    }

    #[test]
    fn a_remark_goes_to_the_first_line() {
        let outcome = Outcome::new(State::Ok, "fine ").line("below").remark("at ::1");
        assert_eq!(outcome.headline(), "fine at ::1 ");
        assert_eq!(
            Outcome::new(State::Ok, "fine").remark("- x").long("a").long("b").render(),
            b"fine - x\na\nb\n"
        );
    }

    #[test]
    fn a_newline_in_a_line_cannot_make_another() {
        assert_eq!(Outcome::new(State::Critical, "a\nb|c").line("d").render(), b"a b/c\nd\n");
    }

    #[test]
    fn long_text_keeps_its_lines_and_nothing_that_could_pass_for_perfdata() {
        let outcome = Outcome::new(State::Ok, "fine").long("a\r\n\tb|c\rd\x1b[0m");
        assert_eq!(outcome.render(), b"fine\na\r\n\tb/c d [0m\n");
    }
}
