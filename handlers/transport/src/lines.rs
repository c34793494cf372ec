//! Output as it comes, line by line, for a person who watches. It is cleaned and bounded, and it is
//! never believed: what came of a repair is told by the answer alone.

use crate::text::excerpt;

/// What begins a line of the repair's output, in front of a gate's answer.
pub(crate) const PROGRESS: &[u8] = b"SHP1 ";
/// More lines than a person reads. Whoever prints more is not listened to any longer.
const MOST: usize = 200;
/// How much of a line is kept until its end has come.
const KEPT: usize = 1024;

/// Cuts output into lines, and gives out those that begin with a given word, without it.
#[derive(Debug)]
pub struct Lines {
    word: &'static [u8],
    line: Vec<u8>,
    left: usize,
}

impl Lines {
    /// Every line of a program of this machine.
    pub fn all() -> Lines {
        Lines::beginning_with(b"")
    }

    /// The lines that a gate marks as the repair's output.
    pub(crate) fn of_a_gate() -> Lines {
        Lines::beginning_with(PROGRESS)
    }

    fn beginning_with(word: &'static [u8]) -> Lines {
        Lines { word, line: Vec::new(), left: MOST }
    }

    /// Takes more output, cut anywhere, and shows each line that it completes: safe to print, 160
    /// characters at most.
    pub fn push(&mut self, bytes: &[u8], show: &mut dyn FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = KEPT.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or_default());
            if part.ends_with(b"\n") {
                self.end_line(show);
            }
        }
    }

    fn end_line(&mut self, show: &mut dyn FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        if let Some(text) = line.strip_prefix(self.word)
            && self.left > 0
        {
            self.left -= 1;
            show(&if self.left > 0 {
                excerpt(text)
            } else {
                "... and more, which is not shown as it comes".into()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(mut lines: Lines, pieces: &[&[u8]]) -> Vec<String> {
        let mut shown = Vec::new();
        pieces.iter().for_each(|piece| lines.push(piece, &mut |line| shown.push(line.to_owned())));
        shown
    }

    #[test]
    fn lines_are_given_out_once_they_are_whole() {
        assert_eq!(
            shown(
                Lines::of_a_gate(),
                &[b"motd\nSHP1 o", b"ne\nSHP1 two\nSHN1 {}\n SHP1 x\nSHP1 half"]
            ),
            ["one", "two"]
        );
        assert_eq!(shown(Lines::all(), &[b"one\n\ntwo\r\n", b"half"]), ["one", "", "two"]);
    }

    #[test]
    fn a_flood_ends_after_so_many_lines_and_a_line_without_end_is_not_kept() {
        let flood = b"SHP1 x\n".repeat(100_000);
        let lines = shown(Lines::of_a_gate(), &[&flood]);
        assert_eq!(
            (lines.len(), lines[MOST - 1].as_str()),
            (MOST, "... and more, which is not shown as it comes")
        );
        let mut endless = Lines::all();
        (0..1000).for_each(|_| endless.push(&[b'x'; 4096], &mut |_| panic!("no line has ended")));
        assert_eq!(endless.line.len(), KEPT);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_safe_to_print(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..20)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let lines = shown(Lines::all(), &pieces);
            prop_assert!(lines.len() <= MOST);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= 161 && !line.contains(crate::text::is_unsafe)));
        }
    }
}
