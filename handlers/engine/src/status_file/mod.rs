//! Reads Nagios' status file, which holds the status of every host and service.
//!
//! The file is read as bytes, because plugin output can have any encoding. It is read in constant
//! memory, because a large site's file is hundreds of megabytes. An index shows where each object's
//! block begins, so that one object can be found without a scan. Workers share the index until
//! Nagios writes the next status file.

mod index;
mod index_header;
#[cfg(test)]
mod index_tests;
mod line_chunks;
mod scan;
#[cfg(test)]
pub mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use policy::{Rounded, spell, unspell};

pub use crate::status::{ObjectReport, ObjectStatus, ProgramStatus};

use index::StatusIndex;
use line_chunks::LineChunks;
use scan::{Fields, scan_blocks};

pub use index::IndexFile;
pub(crate) use index_header::FileIdentity;

/// Maximum age at which a status file still counts as current. Nagios writes the file every
/// `status_update_interval`: 10 seconds in the sample nagios.cfg, 60 seconds by default, up to 5
/// minutes on large sites. Nagios writes the file late while it is busy or restarting. The status
/// file does not contain the interval, so the limit must suit every site. An older file means that
/// Nagios has died or cannot write, or that the file belongs to another Nagios. When Nagios is
/// stopped, it deletes the file.
const OLDEST: Duration = Duration::from_secs(600);

/// Why the status file cannot be used. In that case, nothing is repaired.
#[derive(Debug, thiserror::Error)]
pub enum StatusFileError {
    /// The file is missing or not readable.
    #[error("cannot read Nagios' status file {path}: {why}; see status_file in nagios.cfg")]
    Unreadable {
        /// Path of the status file.
        path: PathBuf,
        /// Error from the operating system.
        why: io::Error,
    },
    /// The file is empty, or it is not a status file.
    #[error(
        "{0} is not a Nagios status file: it does not contain the time when it was written; see \
         status_file in nagios.cfg"
    )]
    Foreign(PathBuf),
    /// The file is too old to show the present states.
    #[error(
        "Nagios' status file {path} was written {} ago, so it does not show the present states; \
         check that Nagios is running, that this is its status_file, and that its \
         status_update_interval is below 10 min",
        Rounded(*.age)
    )]
    Outdated {
        /// Path of the status file.
        path: PathBuf,
        /// Time since the file was written.
        age: Duration,
    },
    /// The clock was set back after the file was written, or another machine wrote the file.
    #[error("Nagios' status file {0} was written in the future; check the clocks")]
    Future(PathBuf),
    /// The file does not contain the object of the event.
    #[error(
        "Nagios' status file {path} does not contain {object}; check that the file \
         belongs to this Nagios"
    )]
    NoSuchObject {
        /// Path of the status file.
        path: PathBuf,
        /// Name of the object, for example `web1/HTTP`.
        object: String,
    },
}

/// Finds a host, or one of its services, in the status file. The names must be encoded by
/// [`policy::spell`]. Scans the file only if it has no index yet.
///
/// # Errors
/// Fails if the file is not readable or is truncated.
pub fn find(
    path: &Path,
    index: IndexFile<'_>,
    host: &str,
    service: Option<&str>,
) -> Result<ObjectReport, StatusFileError> {
    let unreadable = |why| StatusFileError::Unreadable { path: path.to_owned(), why };
    let (host, service) = (unspell(host), service.map(unspell));
    let file = open(path)?;
    let service = service.as_deref();
    let index = StatusIndex::of(&file, index).map_err(unreadable)?;
    let found = report(&file, &index, &host, service);
    if !index.is_shared()
        || matches!(&found, Ok(ObjectReport { object: Some(_), host: Some(_), .. }))
    {
        return found.map_err(unreadable);
    }
    // Only the status file itself can prove that an object is missing, because the index file can
    // be damaged.
    let index = StatusIndex::build(&file).map_err(unreadable)?;
    report(&file, &index, &host, service).map_err(unreadable)
}

fn report(
    file: &File,
    index: &StatusIndex,
    host: &[u8],
    service: Option<&[u8]>,
) -> io::Result<ObjectReport> {
    Ok(ObjectReport {
        program: index.program,
        object: index.find(file, host, service)?,
        host: index.find(file, host, None)?,
        share: index.share,
    })
}

/// Returns the services of a host; `None` if the file does not contain the host.
///
/// # Errors
/// Fails if the file is not readable or is not a status file.
pub fn services(path: &Path, host: &str) -> Result<Option<Vec<String>>, StatusFileError> {
    let host = unspell(host);
    let (mut is_known, mut services) = (false, Vec::new());
    let program = read_fields(path, Fields::Identity, |object| match object.service() {
        _ if object.host != host => {}
        Some(service) => services.push(spell(service)),
        None => is_known = true,
    })?;
    refuse_foreign(path, &program)?;
    Ok(is_known.then_some(services))
}

/// Returns the status of Nagios itself. Nagios writes it before all objects, so the rest of the
/// file is not read.
///
/// # Errors
/// Fails if the file is not readable.
pub fn program(path: &Path) -> Result<ProgramStatus, StatusFileError> {
    let unreadable = |why| StatusFileError::Unreadable { path: path.to_owned(), why };
    let chunks = LineChunks::new(open(path)?);
    scan_blocks(chunks, Fields::All, |_, _| ControlFlow::Break(())).map_err(unreadable)
}

/// Counts the opted-in objects that are in trouble, and all opted-in objects. Also returns the
/// status of Nagios itself.
///
/// # Errors
/// Fails if the file is not readable or is not a status file.
pub fn share(path: &Path) -> Result<((u32, u32), ProgramStatus), StatusFileError> {
    let mut share = (0, 0);
    let program = read_fields(path, Fields::Identity, |object| object.count_in(&mut share))?;
    refuse_foreign(path, &program)?;
    Ok((share, program))
}

/// Opens the status file and passes its objects to `each`, like [`scan()`].
///
/// # Errors
/// Fails if the file is not readable or is truncated.
pub fn read(
    path: &Path,
    each: impl FnMut(&ObjectStatus),
) -> Result<ProgramStatus, StatusFileError> {
    read_fields(path, Fields::All, each)
}

/// Passes every host and service to `each`, in the order of the file. Nagios writes all hosts
/// before the services. Returns the status of Nagios itself.
///
/// # Errors
/// Fails if the file cannot be read or ends in the middle of a block. Any other content is
/// accepted.
pub fn scan(file: impl Read, each: impl FnMut(&ObjectStatus)) -> io::Result<ProgramStatus> {
    scan_fields(file, Fields::All, each)
}

fn read_fields(
    path: &Path,
    fields: Fields,
    each: impl FnMut(&ObjectStatus),
) -> Result<ProgramStatus, StatusFileError> {
    let unreadable = |why| StatusFileError::Unreadable { path: path.to_owned(), why };
    scan_fields(open(path)?, fields, each).map_err(unreadable)
}

fn scan_fields(
    file: impl Read,
    fields: Fields,
    mut each: impl FnMut(&ObjectStatus),
) -> io::Result<ProgramStatus> {
    scan_blocks(LineChunks::new(file), fields, |_, object| {
        each(object);
        ControlFlow::Continue(())
    })
}

/// Rejects a file that does not contain the time when it was written. Every status file contains
/// this time, so such a file is not a status file.
pub(crate) fn refuse_foreign(path: &Path, program: &ProgramStatus) -> Result<(), StatusFileError> {
    match program.written == SystemTime::UNIX_EPOCH {
        true => Err(StatusFileError::Foreign(path.to_owned())),
        false => Ok(()),
    }
}

/// Rejects a file that does not show the present states: one that was not written within the last
/// ten minutes, or that does not contain the time when it was written.
///
/// # Errors
/// Returns [`StatusFileError::Foreign`], [`StatusFileError::Outdated`] or
/// [`StatusFileError::Future`].
pub fn refuse_outdated(
    path: &Path,
    program: &ProgramStatus,
    now: SystemTime,
) -> Result<(), StatusFileError> {
    refuse_foreign(path, program)?;
    let age = program.age(now);
    if age > OLDEST {
        return Err(StatusFileError::Outdated { path: path.to_owned(), age });
    }
    match program.written > now + OLDEST {
        true => Err(StatusFileError::Future(path.to_owned())),
        false => Ok(()),
    }
}

/// Returns the identity of the status file. The identity changes whenever Nagios writes the file.
pub(crate) fn identity(path: &Path) -> Result<FileIdentity, StatusFileError> {
    let unreadable = |why| StatusFileError::Unreadable { path: path.to_owned(), why };
    FileIdentity::of(&open(path)?).map_err(unreadable)
}

fn open(path: &Path) -> Result<File, StatusFileError> {
    safe_file::open(path)
        .map_err(|why| StatusFileError::Unreadable { path: path.to_owned(), why: why.into() })
}
