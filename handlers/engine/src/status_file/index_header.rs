//! The header of an index file. It identifies the status file that the index belongs to, and holds
//! the counts from the scan.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use crate::status::ProgramStatus;

/// The first value of every index file. Change it whenever the layout changes.
const MAGIC: u64 = u64::from_le_bytes(*b"status 2");
/// Number of values in a header, without its checksum.
const VALUES: usize = 12;

/// Metadata of a status file. At least one of these values changes whenever Nagios replaces the
/// file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Time of the last modification, as seconds since 1970 and nanoseconds.
    modified: [i64; 2],
}

impl FileIdentity {
    pub(super) fn of(file: &File) -> io::Result<FileIdentity> {
        let found = file.metadata()?;
        let modified = [found.mtime(), found.mtime_nsec()];
        Ok(FileIdentity { device: found.dev(), inode: found.ino(), size: found.size(), modified })
    }
}

/// The header of an index file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The status file that the index belongs to.
    pub(super) identity: FileIdentity,
    /// The status of Nagios itself. Line numbers are not kept.
    pub(super) program: ProgramStatus,
    /// The number of opted-in objects that are in trouble, and the number of all opted-in objects.
    pub(super) share: (u32, u32),
    /// Number of entries after the header.
    pub(super) entries: u64,
}

impl Header {
    /// Size of a header, in bytes.
    pub(super) const SIZE: usize = (VALUES + 1) * 8;

    /// Returns the header as bytes, with a checksum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let FileIdentity { device, inode, size, modified } = self.identity;
        let [seconds, nanoseconds] = modified.map(i64::cast_unsigned);
        let [written, started] = [self.program.written, self.program.started].map(epoch);
        let has_handlers = self.program.event_handlers.into();
        let [troubled, all] = [self.share.0, self.share.1].map(u64::from);
        #[rustfmt::skip]
        let values: [u64; VALUES] = [
            MAGIC, device, inode, size, seconds, nanoseconds, written, started, has_handlers,
            troubled, all, self.entries,
        ];
        values.iter().chain([&checksum(&values)]).flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Parses a header. Returns `None` if it is damaged or has another layout.
    pub(super) fn decode(bytes: &[u8; Header::SIZE]) -> Option<Header> {
        let (values, _) = bytes.as_chunks::<8>();
        let values: [u64; VALUES + 1] =
            <[[u8; 8]; VALUES + 1]>::try_from(values).ok()?.map(u64::from_le_bytes);
        let (sum, values) = values.split_last()?;
        let values: &[u64; VALUES] = values.try_into().ok()?;
        #[rustfmt::skip]
        let [
            MAGIC, device, inode, size, seconds, nanoseconds, written, started, has_handlers,
            troubled, all, entries,
        ] = *values else { return None };
        if checksum(values) != *sum {
            return None;
        }
        let modified = [seconds, nanoseconds].map(u64::cast_signed);
        Some(Header {
            identity: FileIdentity { device, inode, size, modified },
            program: ProgramStatus {
                written: time(written)?,
                started: time(started)?,
                event_handlers: has_handlers != 0,
                event_handlers_line: 0,
            },
            share: (troubled.try_into().ok()?, all.try_into().ok()?),
            entries,
        })
    }
}

fn checksum(values: &[u64; VALUES]) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.hash(&mut hasher);
    hasher.finish()
}

/// Returns the time in seconds since 1970. Times in the status file are whole seconds.
fn epoch(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn time(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
