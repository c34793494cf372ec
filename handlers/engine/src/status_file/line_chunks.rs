//! Reads a file in large chunks of whole lines, in constant memory.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// Size of the buffer, in bytes. A larger buffer would not stay in the processor's cache between
/// two passes over it.
const BUFFER: usize = 256 * 1024;

/// Maximum length of a line, in bytes. The rest of a longer line is skipped. The fields that are
/// used are all shorter.
pub(super) const LONGEST_LINE: usize = 64 * 1024;

/// A reader that returns the lines of a file, several at a time.
pub(super) struct LineChunks<R> {
    file: R,
    /// Maximum number of bytes to read at a time.
    step: usize,
    buffer: Vec<u8>,
    /// Number of bytes in the buffer.
    filled: usize,
    /// Number of bytes in the buffer that were already returned or skipped.
    used: usize,
    /// Offset in the file at which the content of the buffer begins.
    offset: u64,
    is_in_long_line: bool,
}

impl<R: Read> LineChunks<R> {
    /// Creates a reader for a whole file.
    pub(super) fn new(file: R) -> LineChunks<R> {
        LineChunks::starting_at(0, BUFFER, file)
    }

    /// Creates a reader for a file whose position is already at `offset`. The reader reads at most
    /// `step` bytes at a time.
    pub(super) fn starting_at(offset: u64, step: usize, file: R) -> LineChunks<R> {
        let buffer = vec![0; BUFFER];
        LineChunks { file, step, buffer, filled: 0, used: 0, offset, is_in_long_line: false }
    }

    /// Returns the next lines, together with their offset in the file. Every line except the last
    /// one of the file ends with `\n`. If a line does not fit into the buffer, returns only its
    /// first [`LONGEST_LINE`] bytes, without a line end. Returns `None` at the end of the file.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        let length = loop {
            let read = self.fill()?;
            let text = self.buffer.get(..self.filled).unwrap_or_default();
            if self.is_in_long_line {
                let end = memchr(b'\n', text);
                self.is_in_long_line = end.is_none();
                self.used = end.map_or(text.len(), |end| end + 1);
                if text.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            match memrchr(b'\n', text) {
                _ if text.is_empty() => return Ok(None),
                Some(end) => break end + 1,
                None if read == 0 => break text.len(),
                None if text.len() == self.buffer.len() => {
                    self.is_in_long_line = true;
                    break LONGEST_LINE;
                }
                None => {}
            }
        };
        self.used = if self.is_in_long_line { self.filled } else { length };
        Ok(self.buffer.get(..length).map(|text| (self.offset, text)))
    }

    /// Moves the unused bytes to the front of the buffer and reads more. Returns the number of
    /// bytes read, which is 0 at the end of the file.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.used..self.filled, 0);
        self.offset += self.used as u64;
        self.filled -= self.used;
        self.used = 0;
        let end = self.buffer.len().min(self.filled + self.step);
        let space = self.buffer.get_mut(self.filled..end).unwrap_or_default();
        loop {
            match self.file.read(space) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    self.filled += read;
                    return Ok(read);
                }
            }
        }
    }
}
