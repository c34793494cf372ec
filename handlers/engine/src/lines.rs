//! Reads lines of any length in constant memory.

use std::io::{self, BufRead};

use memchr::memchr;

/// Reads the next line into `line`, without its line break. Keeps at most `longest` bytes and skips
/// the rest of the line. Returns whether the line is complete, or `None` at the end of the file.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn read_line(
    file: &mut impl BufRead,
    line: &mut Vec<u8>,
    longest: usize,
) -> io::Result<Option<bool>> {
    line.clear();
    let (mut begun, mut whole) = (false, true);
    loop {
        let buffer = match file.fill_buf() {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(begun.then_some(whole));
        }
        begun = true;
        let end = memchr(b'\n', buffer);
        let text = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let kept = text.get(..longest - line.len()).unwrap_or(text);
        whole &= kept.len() == text.len();
        line.extend_from_slice(kept);
        let used = text.len() + usize::from(end.is_some());
        file.consume(used);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}
