//! Reads gigabytes of text line by line, without copying the lines.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use memchr::memchr;

/// A line reader with a buffer of fixed size. The lines that it returns are slices of the buffer.
pub struct LineBuffer<R> {
    file: R,
    buffer: Vec<u8>,
    /// The part of the buffer that has been filled but not returned yet.
    rest: Range<usize>,
}

impl<R: Read> LineBuffer<R> {
    /// Creates a reader that skips lines of more than `longest` bytes.
    pub fn new(file: R, longest: usize) -> LineBuffer<R> {
        // A line of `longest` bytes must fit into the buffer together with its line end.
        LineBuffer { file, buffer: vec![0; longest + 1], rest: 0..0 }
    }

    /// Returns the next line without its line end, or `None` after the last line. Also returns a
    /// last line that has no line end.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        let mut is_whole = true;
        loop {
            if let Some(line) = self.line_in_buffer() {
                if std::mem::replace(&mut is_whole, true) {
                    return Ok(self.buffer.get(line));
                }
            } else if self.rest.len() == self.buffer.len() {
                self.rest = 0..0;
                is_whole = false;
            } else if !self.refill()? {
                let line = std::mem::replace(&mut self.rest, 0..0);
                return Ok(self.buffer.get(line).filter(|line| is_whole && !line.is_empty()));
            }
        }
    }

    /// Takes the next line from `rest`. Returns `None` if `rest` contains no line end.
    fn line_in_buffer(&mut self) -> Option<Range<usize>> {
        let length = memchr(b'\n', self.buffer.get(self.rest.clone())?)?;
        let line = self.rest.start..self.rest.start + length;
        self.rest.start = line.end + 1;
        Some(line)
    }

    /// Moves `rest` to the start of the buffer, and reads more of the file after it. Returns false
    /// at the end of the file.
    fn refill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..self.rest.len();
        let free = self.buffer.get_mut(self.rest.end..).unwrap_or_default();
        let count = loop {
            match self.file.read(free) {
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.rest.end += count;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(from: impl Read, longest: usize) -> Vec<Vec<u8>> {
        let mut buffer = LineBuffer::new(from, longest);
        let mut all = Vec::new();
        while let Some(line) = buffer.next_line().unwrap() {
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

    proptest! {
        #[test]
        fn finds_all_lines_that_are_not_overlong(
            text in "[a\n]{0,200}",
            step in 1_usize..9,
            longest in 1_usize..9,
        ) {
            let wanted: Vec<&[u8]> = text
                .split_terminator('\n')
                .filter(|line| line.len() <= longest)
                .map(str::as_bytes)
                .collect();
            prop_assert_eq!(lines(Trickle(text.as_bytes(), step), longest), wanted);
        }
    }
}
