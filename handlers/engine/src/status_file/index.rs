//! The index of a status file. It holds the position of each object's block, and the counts that
//! would otherwise need a scan of the whole file. Workers share the index in a file, so that only
//! one of them has to scan each status file that Nagios writes.
//!
//! The index file holds a [`Header`], followed by an [`Entry`] for each object, in ascending order.
//! All values are 64-bit little-endian numbers.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use safe_file::Directory;

use super::index_header::{FileIdentity, Header};
use super::line_chunks::LineChunks;
use super::scan::{Fields, scan_blocks};
use crate::status::{ObjectStatus, ProgramStatus};

/// How long to wait while another process builds the index.
const PATIENCE: Duration = Duration::from_secs(2);
/// Number of bytes to read at a time from the block of an object. A block is about 2 KB long.
const BLOCK: usize = 4096;

/// The hash of an object's name, and the offset of its block in the status file.
type Entry = (u64, u64);
/// Size of an entry in the index file, in bytes.
const ENTRY: u64 = 16;

/// Where workers share the index of a status file, and whether to write it.
#[derive(Debug, Clone, Copy)]
pub struct IndexFile<'a> {
    /// Path of the index file. Its directory must be writable only by root and the user that this
    /// process runs as.
    pub path: &'a Path,
    /// Whether to write the index if it is missing or outdated. If `false`, the index is only read.
    pub is_written: bool,
}

/// The positions of all objects in a status file, and the counts from the scan.
pub(super) struct StatusIndex {
    /// The status of Nagios itself.
    pub(super) program: ProgramStatus,
    /// The number of opted-in objects that are in trouble, and the number of all opted-in objects.
    pub(super) share: (u32, u32),
    entries: Entries,
}

enum Entries {
    Built(Vec<Entry>),
    /// An open index file, and the number of its entries.
    Shared(File, u64),
}

impl StatusIndex {
    /// Returns the shared index if it belongs to this status file. Otherwise scans the status file,
    /// and shares the new index if possible.
    ///
    /// # Errors
    /// Fails if the status file cannot be read or is truncated.
    pub(super) fn of(status: &File, shared: IndexFile<'_>) -> io::Result<StatusIndex> {
        let identity = FileIdentity::of(status)?;
        let (Some(parent), Some(name)) = (shared.path.parent(), shared.path.file_name()) else {
            return StatusIndex::build(status);
        };
        // If other accounts can change the directory, they can forge the index, so do not even read
        // it.
        let Ok(directory) = Directory::open(parent) else { return StatusIndex::build(status) };
        if let Some(index) = StatusIndex::open(&directory, name, &identity) {
            return Ok(index);
        }
        // If this process does not get the lock, it scans the status file for its own use.
        let lock = || directory.lock_file(with_suffix(name, ".lock"), Instant::now() + PATIENCE);
        let locked = shared.is_written.then(lock);
        let Some(Ok(_lock)) = locked else { return StatusIndex::build(status) };
        // Another process may have built the index while this process was waiting for the lock.
        if let Some(index) = StatusIndex::open(&directory, name, &identity) {
            return Ok(index);
        }
        let index = StatusIndex::build(status)?;
        if FileIdentity::of(status)? == identity {
            // The index only saves time, so a failed write, for example on a full disk, must not
            // prevent a repair.
            let _ = replace(&directory, name, &index.encode(identity));
        }
        Ok(index)
    }

    /// Builds the index by scanning a status file.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is truncated.
    pub(super) fn build(status: &File) -> io::Result<StatusIndex> {
        let (mut entries, mut share) = (Vec::new(), (0, 0));
        let chunks = LineChunks::new(ReadAt { file: status, offset: 0 });
        let program = scan_blocks(chunks, Fields::Identity, |offset, object| {
            object.count_in(&mut share);
            entries.push((hash(&object.host, object.service()), offset));
            ControlFlow::Continue(())
        })?;
        entries.sort_unstable();
        // This scan does not count lines, so the line number would be wrong.
        let program = ProgramStatus { event_handlers_line: 0, ..program };
        Ok(StatusIndex { program, share, entries: Entries::Built(entries) })
    }

    /// Opens the index file. Returns `None` if another account could have written it, or if it does
    /// not belong to the status file with this identity.
    fn open(directory: &Directory, name: &OsStr, identity: &FileIdentity) -> Option<StatusIndex> {
        let file = directory.open_file(name).ok()?;
        let found = file.metadata().ok()?;
        if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
            return None;
        }
        let mut bytes = [0; Header::SIZE];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let header = Header::decode(&bytes)?;
        let length = header.entries.checked_mul(ENTRY)?.checked_add(Header::SIZE as u64)?;
        if header.identity != *identity || found.len() != length {
            return None;
        }
        let Header { program, share, entries, .. } = header;
        Some(StatusIndex { program, share, entries: Entries::Shared(file, entries) })
    }

    fn encode(&self, identity: FileIdentity) -> Vec<u8> {
        let Entries::Built(entries) = &self.entries else { return Vec::new() };
        let (program, share) = (self.program, self.share);
        let header = Header { identity, program, share, entries: entries.len() as u64 };
        let mut bytes = header.encode();
        for (hash, offset) in entries {
            bytes.extend(hash.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes
    }

    /// Whether the entries are read from the index file.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.entries, Entries::Shared(..))
    }

    /// Finds an object and reads it from the status file. If the file contains the object several
    /// times, returns the last one.
    ///
    /// # Errors
    /// Fails if the status file or the index file cannot be read.
    pub(super) fn find(
        &self,
        status: &File,
        host: &[u8],
        service: Option<&[u8]>,
    ) -> io::Result<Option<ObjectStatus>> {
        let wanted = hash(host, service);
        let mut at = self.end_of(wanted)?;
        while at > 0 {
            at -= 1;
            let (hash, offset) = self.entry(at)?;
            if hash != wanted {
                break;
            }
            let object = read_block(status, offset)?;
            if let Some(object) = object.filter(|object| object.is(host, service)) {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    /// Returns the number of entries whose hash is at most `wanted`.
    fn end_of(&self, wanted: u64) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.entry(middle)?.0 <= wanted { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn len(&self) -> u64 {
        match &self.entries {
            Entries::Built(entries) => entries.len() as u64,
            Entries::Shared(_, entries) => *entries,
        }
    }

    fn entry(&self, at: u64) -> io::Result<Entry> {
        match &self.entries {
            Entries::Built(entries) => {
                let entry = usize::try_from(at).ok().and_then(|at| entries.get(at));
                entry.copied().ok_or(io::ErrorKind::UnexpectedEof.into())
            }
            Entries::Shared(file, _) => {
                let mut values = [[0; 8]; 2];
                file.read_exact_at(values.as_flattened_mut(), Header::SIZE as u64 + at * ENTRY)?;
                let [hash, offset] = values.map(u64::from_le_bytes);
                Ok((hash, offset))
            }
        }
    }
}

/// Reads the object whose block begins at `offset`. Returns `None` if no object's block begins
/// there.
fn read_block(status: &File, offset: u64) -> io::Result<Option<ObjectStatus>> {
    // Also read the byte before the block, which must be a line end. A block can begin only at the
    // start of a line.
    let offset_before = offset.saturating_sub(1);
    let file = ReadAt { file: status, offset: offset_before };
    let mut found = None;
    let chunks = LineChunks::starting_at(offset_before, BLOCK, file);
    scan_blocks(chunks, Fields::All, |at, object| {
        found = (at == offset).then(|| object.clone());
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Returns the hash of an object's name, computed with FNV-1a. std's hash takes three times as
/// long, and may change with the version of Rust. Two names may have the same hash.
fn hash(host: &[u8], service: Option<&[u8]>) -> u64 {
    let bytes = host.iter().chain(&[0]).chain(service.unwrap_or_default());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Replaces the index file. Does not flush it to disk, because an index that a power failure has
/// damaged is recognized and built again.
fn replace(directory: &Directory, name: &OsStr, content: &[u8]) -> io::Result<()> {
    let draft = with_suffix(name, ".new");
    // A process that was killed may have left a draft. We hold the lock, so no other process is
    // writing to the draft.
    let _ = directory.remove(&draft);
    let mut file = directory.create_new(&draft, 0o600)?;
    let written = file.write_all(content).and_then(|()| Ok(directory.rename(&draft, name)?));
    written.inspect_err(|_| drop(directory.remove(&draft)))
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}

/// A reader that starts at an offset in a file, independently of the file's own position.
struct ReadAt<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
