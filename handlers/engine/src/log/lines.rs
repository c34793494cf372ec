//! Reads a log line by line, in constant memory.

use std::io::{self, BufReader, Read};

use crate::lines::read_line;

/// Buffer size and maximum line length, in bytes. Longer lines are skipped; those that Nagios
/// writes are much shorter.
const SIZE: usize = 256 * 1024;

/// A reader that returns a log line by line.
pub struct LogLines<R> {
    file: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> LogLines<R> {
    /// Creates a reader for this file.
    pub fn new(file: R) -> LogLines<R> {
        LogLines { file: BufReader::with_capacity(SIZE, file), line: Vec::new() }
    }

    /// Returns the next line without its line break, or `None` after the last line. Also returns a
    /// last line that has no line break. Nagios may still be writing such a line, but a rotated log
    /// can also end like this.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            match read_line(&mut self.file, &mut self.line, SIZE)? {
                Some(true) => return Ok(Some(&self.line)),
                Some(false) => {}
                None => return Ok(None),
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

    /// A reader that returns at most the given number of bytes at a time.
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
    fn skips_overlong_lines() {
        let text = [b"a\n".as_slice(), &vec![b'x'; 3 * SIZE + 7], b"\nb\n\nc"].concat();
        assert_eq!(lines(text.as_slice()), [b"a".as_slice(), b"b", b"", b"c"]);
        assert!(lines(vec![b'x'; 2 * SIZE].as_slice()).is_empty());
    }

    proptest! {
        #[test]
        fn finds_the_same_lines_with_short_reads(
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
