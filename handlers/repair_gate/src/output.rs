//! Prints this program's output, and keeps an excerpt of a command's output.
//!
//! The excerpt consists of the first and last lines, shortened and without control characters. Its
//! size is bounded, so memory use stays small even if a command prints gigabytes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::stream::LineStream;

const LINES_EACH_END: usize = 20;
/// Maximum length of a line in bytes. With this limit, the reports of eight `diagnose` commands fit
/// into the 256 KiB that a server reads, even if JSON has to escape every byte.
const LINE: usize = 300;

/// What this program prints, and its exit code.
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Exit code. It is between 0 and 3, except that `within` can return any code.
    pub(crate) code: u8,
    /// Whether to report an error if stdout cannot be written completely. This is set for a sudoers
    /// file, which a full disk could truncate.
    pub(crate) must_arrive: bool,
}

impl Output {
    /// Prints the output, with a single write to stdout, and returns the exit code.
    pub(crate) fn print(self) -> ExitCode {
        let mut stdout = io::stdout().lock();
        // Ignore errors, because the client may have disconnected. The result is recorded, and the
        // exit code is still right.
        let written = stdout.write_all(self.stdout.as_bytes()).and_then(|()| stdout.flush());
        let (stderr, code) = match written {
            Err(e) if self.must_arrive => {
                (format!("repair_gate: cannot write to standard output: {e}\n"), 3)
            }
            _ => (self.stderr, self.code),
        };
        let _ = io::stderr().write_all(stderr.as_bytes());
        ExitCode::from(code)
    }
}

/// Maximum length in bytes of a line that this program parses. `sudo -l` prints all options on one
/// line.
const LINE_TO_READ: usize = 64 * 1024;

/// Collects output piece by piece, keeps the first and last lines, and sends each line to a stream.
pub(crate) struct Excerpt {
    stream: Option<LineStream>,
    longest_line: usize,
    head: Vec<Vec<u8>>,
    tail: VecDeque<Vec<u8>>,
    left_out: u64,
    line: Vec<u8>,
    in_line: bool,
}

impl Default for Excerpt {
    fn default() -> Excerpt {
        Excerpt::streaming(None)
    }
}

impl Excerpt {
    /// Creates an empty excerpt that shortens long lines for display.
    pub(crate) fn streaming(stream: Option<LineStream>) -> Excerpt {
        Excerpt {
            stream,
            longest_line: LINE,
            head: Vec::new(),
            tail: VecDeque::new(),
            left_out: 0,
            line: Vec::new(),
            in_line: false,
        }
    }

    /// Creates an empty excerpt that keeps long lines, for output that this program parses.
    pub(crate) fn to_read() -> Excerpt {
        Excerpt { longest_line: LINE_TO_READ, ..Excerpt::default() }
    }

    /// Adds a piece of output, which can begin and end within a line.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else {
                self.in_line = true;
                if self.line.len() <= self.longest_line {
                    self.line.push(byte);
                }
            }
        }
    }

    fn end_line(&mut self) {
        self.in_line = false;
        let line = std::mem::take(&mut self.line);
        if let Some(stream) = &mut self.stream {
            stream.line(&shown(&line, self.longest_line));
        }
        if self.head.len() < LINES_EACH_END {
            self.head.push(line);
            return;
        }
        self.tail.push_back(line);
        if self.tail.len() > LINES_EACH_END {
            self.tail.pop_front();
            self.left_out += 1;
        }
    }

    /// Returns the lines. If lines were left out, a line in their place says how many.
    pub(crate) fn lines(mut self) -> Vec<String> {
        if self.in_line {
            self.end_line();
        }
        let show = |line: &Vec<u8>| shown(line, self.longest_line);
        let mut lines: Vec<String> = self.head.iter().map(show).collect();
        if self.left_out > 0 {
            lines.push(format!("... {} lines are not shown ...", self.left_out));
        }
        lines.extend(self.tail.iter().map(show));
        lines
    }
}

fn shown(line: &[u8], longest: usize) -> String {
    clean(&String::from_utf8_lossy(line), longest)
}

/// Returns `text` as one line. If it is longer than `most` bytes, cuts it and appends three dots.
/// Replaces characters that could move the cursor, colour the terminal or change the reading
/// direction.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let mut cleaned = String::new();
    for c in text.trim_end_matches('\r').chars().map(harmless) {
        if cleaned.len() + c.len_utf8() > most {
            cleaned.push_str("...");
            break;
        }
        cleaned.push(c);
    }
    cleaned
}

fn harmless(c: char) -> char {
    match c {
        '\t' | '\n' => ' ',
        // Unicode's line separators and its bidirectional controls (UAX #9).
        '\u{2028}'
        | '\u{2029}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '?',
        c if c.is_control() => '?',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn excerpt(output: &[u8]) -> Vec<String> {
        let mut excerpt = Excerpt::default();
        excerpt.push(output);
        excerpt.lines()
    }

    #[test]
    fn keeps_short_output_unchanged() {
        assert_eq!(excerpt(b""), Vec::<String>::new());
        assert_eq!(excerpt(b"one\n\nthree"), ["one", "", "three"]);
        assert_eq!(excerpt(b"dos\r\n"), ["dos"]);
    }

    #[test]
    fn keeps_first_and_last_lines_of_long_output() {
        let output: String = (1..=1000).map(|n| format!("line {n}\n")).collect();
        let lines = excerpt(output.as_bytes());
        assert_eq!(lines.len(), 41);
        assert_eq!((lines[0].as_str(), lines[19].as_str()), ("line 1", "line 20"));
        assert_eq!(lines[20], "... 960 lines are not shown ...");
        assert_eq!((lines[21].as_str(), lines[40].as_str()), ("line 981", "line 1000"));
    }

    #[test]
    fn replaces_escape_sequences_and_bidi_marks() {
        assert_eq!(excerpt("a\x1b[31mb\x07\u{202e}c\u{9b}\td\0".as_bytes()), ["a?[31mb??c? d?"]);
    }

    #[test]
    fn cuts_long_line_between_characters() {
        assert_eq!(excerpt(&[b'x'; 300]), ["x".repeat(300)]);
        assert_eq!(excerpt(&[b'x'; 301]), ["x".repeat(300) + "..."]);
        assert_eq!(excerpt("€".repeat(101).as_bytes()), ["€".repeat(100) + "..."]);
    }

    proptest! {
        #[test]
        fn bounds_and_cleans_any_output_in_any_pieces(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..20)
        ) {
            let mut excerpt = Excerpt::default();
            for piece in &pieces {
                excerpt.push(piece);
            }
            let lines = excerpt.lines();
            prop_assert!(lines.len() <= 2 * LINES_EACH_END + 1);
            for line in lines {
                prop_assert!(line.len() <= LINE + 3);
                prop_assert!(!line.contains(char::is_control));
            }
        }
    }
}
