//! Reads a log line by line, in constant memory.

use std::io::{self, Read};

use crate::line_buffer::LineBuffer;

/// Maximum length of a line, in bytes. Longer lines are skipped. The lines that Nagios writes are
/// much shorter.
const LONGEST: usize = 256 * 1024;

/// A reader that returns one line of a log at a time.
pub struct LogLines<R>(LineBuffer<R>);

impl<R: Read> LogLines<R> {
    /// Creates a reader for this file.
    pub fn new(file: R) -> LogLines<R> {
        LogLines(LineBuffer::new(file, LONGEST))
    }

    /// Returns the next line without its line break, or `None` after the last line. The last line
    /// may have no line break, because Nagios is still writing it or because a rotated log ends
    /// like this. Such a line is returned as well.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.0.next_line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(from: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = LogLines::new(from);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line.to_vec());
        }
        all
    }

    #[test]
    fn skips_overlong_lines() {
        let text = [b"a\n".as_slice(), &vec![b'x'; 3 * LONGEST + 7], b"\nb\n\nc"].concat();
        assert_eq!(lines(&text), [b"a".as_slice(), b"b", b"", b"c"]);
        assert!(lines(&vec![b'x'; 2 * LONGEST]).is_empty());
        let longest = [vec![b'x'; LONGEST], b"\n".to_vec()].concat();
        assert_eq!(lines(&longest.repeat(2)).len(), 2);
    }
}
