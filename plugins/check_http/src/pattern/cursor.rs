//! A position in a pattern that is being parsed.

/// The part of a pattern that has not been parsed yet.
pub(super) struct Cursor<'p> {
    pub(super) rest: &'p [u8],
}

impl Cursor<'_> {
    /// Returns the next byte without consuming it.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Consumes and returns the next byte.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Consumes the next byte if it is `byte`. Returns whether it was.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.next();
        }
        there
    }
}
