//! Searches a body for strings and patterns while it arrives.

use super::matcher::PatternMatcher;
use super::posix::Pattern;
use crate::text;

/// Which of the strings and patterns the body contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyMatches {
    /// Whether the body contains each string, in the order of the command line.
    pub strings: Vec<bool>,
    /// Whether each pattern matches, in the order of the command line.
    pub patterns: Vec<bool>,
}

/// A search in progress for strings and patterns in a body.
#[derive(Debug)]
pub struct BodySearch<'w> {
    strings: Vec<Needle<'w>>,
    patterns: Vec<PatternMatcher<'w>>,
}

impl<'w> BodySearch<'w> {
    /// Starts a search for `strings` and `patterns`.
    pub fn new(strings: &'w [Vec<u8>], patterns: &'w [Pattern]) -> BodySearch<'w> {
        let strings = strings
            .iter()
            .map(|text| Needle { text, tail: Vec::new(), found: text.is_empty() })
            .collect();
        BodySearch { strings, patterns: patterns.iter().map(PatternMatcher::new).collect() }
    }

    /// Searches the next piece of the body.
    pub fn feed(&mut self, piece: &[u8]) {
        self.strings
            .iter_mut()
            .filter(|needle| !needle.found)
            .for_each(|needle| needle.feed(piece));
        self.patterns.iter_mut().for_each(|pattern| pattern.feed(piece));
    }

    /// Ends the search at the end of the body and returns its result.
    pub fn end(self) -> BodyMatches {
        BodyMatches {
            strings: self.strings.into_iter().map(|needle| needle.found).collect(),
            patterns: self.patterns.into_iter().map(PatternMatcher::end).collect(),
        }
    }
}

/// A string to find. `tail` holds the last bytes that have arrived, because the string may begin in
/// them.
#[derive(Debug)]
struct Needle<'w> {
    text: &'w [u8],
    tail: Vec<u8>,
    found: bool,
}

impl Needle<'_> {
    fn feed(&mut self, piece: &[u8]) {
        let overlap = self.text.len().saturating_sub(1);
        self.tail.extend_from_slice(piece.get(..overlap).unwrap_or(piece));
        self.found = text::contains(&self.tail, self.text) || text::contains(piece, self.text);
        if let Some(end) = piece.len().checked_sub(overlap) {
            self.tail.clear();
            self.tail.extend_from_slice(piece.get(end..).unwrap_or_default());
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(overlap));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_strings_across_pieces(
            text in "[ab]{0,5}",
            pieces in proptest::collection::vec("[ab]{0,6}", 0..6),
        ) {
            let strings = [text.clone().into_bytes()];
            let mut search = BodySearch::new(&strings, &[]);
            for piece in &pieces {
                search.feed(piece.as_bytes());
            }
            prop_assert_eq!(search.end().strings, [pieces.concat().contains(&text)]);
        }
    }
}
