//! Scans the blocks of a status file.
//!
//! Only a line with a brace can begin or end a block, so the scan jumps from brace to brace and
//! looks at the lines between them only if they belong to a block that it needs.

use std::io::{self, Read};
use std::ops::ControlFlow;

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memchr2, memrchr};

use super::line_chunks::{LONGEST_LINE, LineChunks};
use crate::status::field::split;
use crate::status::{ObjectStatus, ProgramStatus};

/// Error text for a file that ends in the middle of a block. Nagios never leaves such a file,
/// because it writes a new file and renames it over the old one.
const TRUNCATED: &str = "the file is truncated: it ends in the middle of an object";

/// The fields that [`ObjectStatus::is`] and [`ObjectStatus::count_in`] need to identify and count
/// an object.
const IDENTITY: [&str; 4] = ["host_name=", "service_description=", "current_state=", "_REPAIR="];

/// Which fields of each object a scan reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    /// All fields, with their line numbers.
    All,
    /// Only the names, the state and the repair. Reading only these fields is several times as fast
    /// as reading all.
    Identity,
}

/// The kind of block that a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Other,
    Program,
    Object,
}

/// Passes every host and service to `each`, together with the offset of its block, until `each`
/// returns `Break`. Returns the status of Nagios itself, as far as it was read.
///
/// # Errors
/// Fails if the file cannot be read or ends in the middle of a block. Any other content is
/// accepted.
pub(super) fn scan_blocks<R: Read>(
    mut chunks: LineChunks<R>,
    fields: Fields,
    each: impl FnMut(u64, &ObjectStatus) -> ControlFlow<()>,
) -> io::Result<ProgramStatus> {
    let mut scan = Scan {
        fields,
        finders: IDENTITY.map(Finder::new),
        each,
        within: Block::Other,
        is_open: false,
        start: 0,
        line: 0,
        object: ObjectStatus::nothing(),
        program: ProgramStatus::nothing(),
    };
    while let Some((offset, text)) = chunks.next()? {
        if scan.chunk(offset, text).is_break() {
            return Ok(scan.program);
        }
    }
    match scan.is_open {
        true => Err(io::Error::new(io::ErrorKind::UnexpectedEof, TRUNCATED)),
        false => Ok(scan.program),
    }
}

/// The state of a scan between two lines.
struct Scan<E> {
    fields: Fields,
    finders: [Finder<'static>; IDENTITY.len()],
    each: E,
    within: Block,
    /// Whether the lines scanned so far end in the middle of a block.
    is_open: bool,
    /// Offset in the file at which the current object's block begins.
    start: u64,
    /// Number of the last line that was scanned. With [`Fields::Identity`], lines are not counted.
    line: u32,
    object: ObjectStatus,
    program: ProgramStatus,
}

impl<E: FnMut(u64, &ObjectStatus) -> ControlFlow<()>> Scan<E> {
    /// Scans whole lines. `offset` is their position in the file.
    fn chunk(&mut self, offset: u64, text: &[u8]) -> ControlFlow<()> {
        // `pending` is the start of the lines that have not been passed to a block yet, and `next`
        // is the start of the next line.
        let (mut pending, mut next) = (0, 0);
        while let Some((start, end)) = line_with_brace(text, next) {
            next = end;
            let line = content(text.get(start..end).unwrap_or_default());
            let within = match line {
                b"hoststatus {" | b"servicestatus {" => Block::Object,
                b"info {" | b"programstatus {" => Block::Program,
                b"}" => Block::Other,
                _ => {
                    self.is_open |= line.ends_with(b" {");
                    continue;
                }
            };
            self.take(text.get(pending..start).unwrap_or_default());
            pending = end;
            self.line += 1;
            self.is_open = line != b"}";
            let ended = std::mem::replace(&mut self.within, within);
            if !self.is_open && ended == Block::Object {
                (self.each)(self.start, &self.object)?;
            }
            if within == Block::Object {
                self.object.clear(line == b"servicestatus {");
                self.start = offset + start as u64;
            }
        }
        self.take(text.get(pending..).unwrap_or_default());
        ControlFlow::Continue(())
    }

    /// Stores the fields of the current block from `text`, which contains whole lines.
    fn take(&mut self, text: &[u8]) {
        if self.within == Block::Object && self.fields == Fields::Identity {
            for finder in &self.finders {
                let mut found = finder.find_iter(text);
                // If a field occurs more than once, the first one counts.
                if let Some((name, value)) = found.find_map(|at| field_at(text, at)) {
                    self.object.store(name, value, 0);
                }
            }
        } else if self.within != Block::Other {
            for line in lines(text) {
                self.line += 1;
                match self.within {
                    Block::Object => self.object.take(content(line), self.line),
                    _ => self.program.take(content(line), self.line),
                }
            }
        } else if self.fields == Fields::All {
            let last = usize::from(!text.is_empty() && !text.ends_with(b"\n"));
            let lines = memchr_iter(b'\n', text).count() + last;
            self.line += u32::try_from(lines).unwrap_or_default();
        }
    }
}

/// Returns the start and end of the first line with a brace, searching from the line that starts at
/// `from`. The end includes the line end.
fn line_with_brace(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = text.get(from..)?;
    let (before, after) = rest.split_at_checked(memchr2(b'{', b'}', rest)?)?;
    let start = memrchr(b'\n', before).map_or(0, |end| end + 1);
    let end = memchr(b'\n', after).map_or(after.len(), |end| end + 1);
    Some((from + start, from + before.len() + end))
}

/// Returns the name and value of the field whose name begins at `at`, or `None` if something else
/// precedes the name in its line.
fn field_at(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(at)?;
    // Look back over blanks only. A line can contain the name many times, so searching for the
    // start of the line each time would take too long.
    let other = before.trim_ascii_end().len();
    let start = match before.get(other..)?.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => other + end + 1,
        None if other == 0 => 0,
        None => return None,
    };
    let end = memchr(b'\n', after).map_or(text.len(), |end| at + end);
    // `content` returns only the start of a line. If so many blanks precede the name that it is cut
    // off, `split` finds no `=`.
    split(content(text.get(start..end)?))
}

/// Splits `text` after each line end.
fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr(b'\n', text).map_or(text.len(), |end| end + 1);
        let (line, rest) = text.split_at_checked(end)?;
        text = rest;
        (!line.is_empty()).then_some(line)
    })
}

/// Returns the first [`LONGEST_LINE`] bytes of a line, without leading and trailing blanks.
fn content(line: &[u8]) -> &[u8] {
    line.get(..LONGEST_LINE).unwrap_or(line).trim_ascii()
}
