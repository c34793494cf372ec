//! The result of a plugin. It keeps its parts as typed values until it is printed.

use crate::perfdata::Perfdata;
use crate::state::State;
use crate::text::{clean, clean_lines};

/// A plugin's result, with its state, text and perfdata. The text may contain anything that a
/// server sent, because [`Outcome::render`] cleans it.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    state: State,
    lines: Vec<String>,
    perfdata: Vec<Perfdata>,
    long: Option<String>,
}

impl Outcome {
    /// Creates an outcome. `line` is the whole first line of output, such as `HTTP OK: …`.
    pub fn new(state: State, line: impl Into<String>) -> Outcome {
        Outcome { state, lines: vec![line.into()], perfdata: Vec::new(), long: None }
    }

    /// Adds a line of text below the existing lines. The perfdata still comes after all of them.
    pub fn line(mut self, line: impl Into<String>) -> Outcome {
        self.lines.push(line.into());
        self
    }

    /// Adds a line of text above the existing lines, so that it becomes the first line.
    pub fn above(mut self, line: impl Into<String>) -> Outcome {
        self.lines.insert(0, line.into());
        self
    }

    /// Appends a remark to the first line. If that line ends with a space, the space stays at the
    /// end.
    pub fn remark(mut self, text: &str) -> Outcome {
        if let Some(line) = self.lines.first_mut() {
            let blank = if line.ends_with(' ') { " " } else { "" };
            *line = format!("{} {text}{blank}", line.trim_end());
        }
        self
    }

    /// Changes the state to `state` if that is worse than the current one.
    pub fn at_least(mut self, state: State) -> Outcome {
        self.state = self.state.worst(state);
        self
    }

    /// Adds an item of perfdata. All perfdata is appended to the last line after a `|`, without a
    /// space before it. To get `text |perfdata`, end that line with a space.
    pub fn perfdata(mut self, item: Perfdata) -> Outcome {
        self.perfdata.push(item);
        self
    }

    /// Adds multi-line text, such as a response body, below the lines and the perfdata. Each call
    /// adds its text below that of earlier calls. Newlines and tabs are kept. All other
    /// control characters and `|` are replaced as in a line, because Nagios would read the text
    /// after a `|` as perfdata.
    pub fn long(mut self, text: impl Into<String>) -> Outcome {
        let above = self.long.map(|above| above + "\n").unwrap_or_default();
        self.long = Some(above + &text.into());
        self
    }

    /// Returns the first line as given, before special characters are replaced.
    pub fn headline(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// Returns the state, which decides the exit code.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the bytes to write to stdout: the cleaned lines, the perfdata after a `|` and the
    /// long text. The output ends with a newline.
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
    fn replaces_newline_within_a_line() {
        assert_eq!(Outcome::new(State::Critical, "a\nb|c").line("d").render(), b"a b/c\nd\n");
    }

    #[test]
    fn long_text_keeps_newlines_but_not_perfdata_separators() {
        let outcome = Outcome::new(State::Ok, "fine").long("a\r\n\tb|c\rd\x1b[0m");
        assert_eq!(outcome.render(), b"fine\na\r\n\tb/c d [0m\n");
    }
}
