//! Live output of a repair, line by line, for a person who is watching.
//!
//! Unsafe characters in the lines are replaced, and the number of lines is limited. The lines do
//! not influence the result, because only the answer reports the outcome of a repair.

use crate::text::excerpt;

/// The prefix that a gate puts before each line of the repair's output.
pub(crate) const PROGRESS: &[u8] = b"SHP1 ";
/// Maximum number of lines to show. Nobody reads more than that.
const MAX_LINES: usize = 200;
/// How many bytes of an unfinished line to keep.
const MAX_LINE: usize = 1024;

/// Splits output into lines and shows those with a given prefix, without the prefix.
#[derive(Debug)]
pub struct OutputLines {
    prefix: &'static [u8],
    line: Vec<u8>,
    left: usize,
}

impl OutputLines {
    /// Returns a splitter that shows every line. Use it for programs on the Nagios server.
    pub fn all() -> OutputLines {
        OutputLines::with_prefix(b"")
    }

    /// Returns a splitter that shows only the lines that a gate marks as repair output.
    pub(crate) fn of_gate() -> OutputLines {
        OutputLines::with_prefix(PROGRESS)
    }

    fn with_prefix(prefix: &'static [u8]) -> OutputLines {
        OutputLines { prefix, line: Vec::new(), left: MAX_LINES }
    }

    /// Appends output and shows each completed line. The output may end in the middle of a line.
    /// The lines are safe to print and are cut after 160 characters.
    pub fn push(&mut self, bytes: &[u8], show: &mut dyn FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or_default());
            if part.ends_with(b"\n") {
                self.end_line(show);
            }
        }
    }

    fn end_line(&mut self, show: &mut dyn FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        if let Some(text) = line.strip_prefix(self.prefix)
            && self.left > 0
        {
            self.left -= 1;
            show(&if self.left > 0 {
                excerpt(text)
            } else {
                "... further output is not shown live".into()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::is_unsafe;

    fn shown(mut lines: OutputLines, pieces: &[&[u8]]) -> Vec<String> {
        let mut shown = Vec::new();
        pieces.iter().for_each(|piece| lines.push(piece, &mut |line| shown.push(line.to_owned())));
        shown
    }

    #[test]
    fn shows_complete_lines() {
        assert_eq!(
            shown(
                OutputLines::of_gate(),
                &[b"motd\nSHP1 o", b"ne\nSHP1 two\nSHN1 {}\n SHP1 x\nSHP1 half"]
            ),
            ["one", "two"]
        );
        assert_eq!(shown(OutputLines::all(), &[b"one\n\ntwo\r\n", b"half"]), ["one", "", "two"]);
    }

    #[test]
    fn limits_the_number_of_shown_lines_and_the_size_of_a_kept_line() {
        let flood = b"SHP1 x\n".repeat(100_000);
        let lines = shown(OutputLines::of_gate(), &[&flood]);
        assert_eq!(
            (lines.len(), lines[MAX_LINES - 1].as_str()),
            (MAX_LINES, "... further output is not shown live")
        );
        let mut endless = OutputLines::all();
        (0..1000).for_each(|_| endless.push(&[b'x'; 4096], &mut |_| panic!("no line has ended")));
        assert_eq!(endless.line.len(), MAX_LINE);
    }

    proptest! {
        #[test]
        fn shows_only_lines_that_are_safe_to_print(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..20)
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let lines = shown(OutputLines::all(), &pieces);
            prop_assert!(lines.len() <= MAX_LINES);
            for line in lines {
                prop_assert!(line.chars().count() <= 161 && !line.contains(is_unsafe));
            }
        }
    }
}
