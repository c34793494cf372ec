//! What is looked for in a body, while it comes: texts and patterns, each found or not. Pure.

use super::matcher;
use super::posix::Pattern;
use crate::text;

/// What has been found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the texts, in their order.
    pub strings: Vec<bool>,
    /// Of the patterns.
    pub patterns: Vec<bool>,
}

/// A body on its way past what is looked for.
#[derive(Debug)]
pub struct Search<'w> {
    strings: Vec<Needle<'w>>,
    patterns: Vec<matcher::Search<'w>>,
}

impl<'w> Search<'w> {
    /// Begins with an empty body.
    pub fn new(strings: &'w [Vec<u8>], patterns: &'w [Pattern]) -> Search<'w> {
        let strings = strings
            .iter()
            .map(|text| Needle { text, tail: Vec::new(), found: text.is_empty() })
            .collect();
        Search { strings, patterns: patterns.iter().map(matcher::Search::new).collect() }
    }

    /// Takes the next piece of the body.
    pub fn feed(&mut self, piece: &[u8]) {
        self.strings
            .iter_mut()
            .filter(|needle| !needle.found)
            .for_each(|needle| needle.feed(piece));
        self.patterns.iter_mut().for_each(|pattern| pattern.feed(piece));
    }

    /// The body ends here.
    pub fn end(self) -> Found {
        Found {
            strings: self.strings.into_iter().map(|needle| needle.found).collect(),
            patterns: self.patterns.into_iter().map(matcher::Search::end).collect(),
        }
    }
}

/// A text that is looked for, and the end of what has been fed: it may be the beginning of the
/// text.
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
        fn texts_are_found_wherever_the_pieces_end(text in "[ab]{0,5}", pieces in proptest::collection::vec("[ab]{0,6}", 0..6)) {
            let strings = [text.clone().into_bytes()];
            let mut search = Search::new(&strings, &[]);
            for piece in &pieces {
                search.feed(piece.as_bytes());
            }
            prop_assert_eq!(search.end().strings, [pieces.concat().contains(&text)]);
        }
    }
}
