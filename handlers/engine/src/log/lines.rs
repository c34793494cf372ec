//! The lines of a log of any length, one at a time, in one buffer.

use std::io::{self, ErrorKind, Read};

use memchr::memchr;

/// Size of the buffer in bytes; Nagios cuts its lines far below that. A longer line is skipped.
const SIZE: usize = 256 * 1024;

/// LogLines of bytes.
pub struct LogLines<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where the next line begins.
    begin: usize,
    /// Where what was read ends.
    end: usize,
    /// Whether the line is too long.
    skipping: bool,
}

impl<R: Read> LogLines<R> {
    /// LogLines of this file.
    pub fn new(from: R) -> LogLines<R> {
        LogLines { from, buffer: vec![0; SIZE], begin: 0, end: 0, skipping: false }
    }

    /// Returns the next line without its end; `None` after the last one. A last line without an
    /// end counts: Nagios may be writing it, but a rotated log may end like that.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        let mut looked = self.begin;
        loop {
            let found = self.buffer.get(looked..self.end).and_then(|fresh| memchr(b'\n', fresh));
            if let Some(length) = found {
                let (begin, end) = (self.begin, looked + length);
                self.begin = end + 1;
                looked = self.begin;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                return Ok(self.buffer.get(begin..end));
            }
            self.make_room();
            looked = self.end;
            if self.fill()? == 0 {
                let begin = std::mem::replace(&mut self.begin, self.end);
                let is_line = begin < self.end && !self.skipping;
                return Ok(if is_line { self.buffer.get(begin..self.end) } else { None });
            }
        }
    }

    fn make_room(&mut self) {
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        } else if self.end == self.buffer.len() {
            self.skipping = true;
            self.end = 0;
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        loop {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.from.read(free) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(from: impl Read) -> Vec<Vec<u8>> {
        let mut lines = LogLines::new(from);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line.to_vec());
        }
        all
    }

    /// Returns a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(to.len()).min(self.0.len());
            let (now, later) = self.0.split_at(count);
            to.get_mut(..count).unwrap().copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    #[test]
    fn skips_a_line_that_is_too_long() {
        let text = [b"a\n".as_slice(), &vec![b'x'; 3 * SIZE + 7], b"\nb\n\nc"].concat();
        assert_eq!(lines(text.as_slice()), [b"a".as_slice(), b"b", b"", b"c"]);
        assert!(lines(vec![b'x'; 2 * SIZE].as_slice()).is_empty());
    }

    proptest! {
        #[test]
        fn finds_the_same_lines_in_reads_of_any_size(
            text in "[a\n]{0,200}",
            step in 1_usize..9,
        ) {
            let with_ends = text.as_bytes().split_inclusive(|byte| *byte == b'\n');
            let wanted: Vec<&[u8]> =
                with_ends.map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect();
            prop_assert_eq!(lines(Trickle(text.as_bytes(), step)), wanted);
        }
    }
}
