//! Reads Nagios' status file, which holds the status of every host and service.
//!
//! The file is read as bytes, because the output of plugins can have any encoding. It is read block
//! by block in constant memory, because the file of a large site has tens of megabytes.

mod field;
mod object;
mod program;
#[cfg(test)]
pub mod tests;

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use policy::{spell, unspell};

use crate::lines::read_line;

pub use object::ObjectStatus;
pub use program::ProgramStatus;

/// The reason why the status file cannot be used. Nothing is repaired then.
#[derive(Debug, thiserror::Error)]
pub enum StatusFileError {
    /// The file is missing or not readable.
    #[error("cannot read Nagios' status file {path}: {why}; see status_file in nagios.cfg")]
    Unreadable {
        /// Path of the status file.
        path: PathBuf,
        /// Error of the operating system.
        why: io::Error,
    },
    /// The file is empty, or it is not a status file.
    #[error(
        "{0} is not a status file of Nagios: it does not contain the time when it was written; see \
         status_file in nagios.cfg"
    )]
    Foreign(PathBuf),
    /// The file does not contain the object of the event.
    #[error("Nagios' status file {path} does not contain {object}; is it the file of this Nagios?")]
    NoSuchObject {
        /// Path of the status file.
        path: PathBuf,
        /// Name of the object, for example `web1/HTTP`.
        object: String,
    },
}

/// The part of the status file that a decision about one object needs.
#[derive(Debug)]
pub struct ObjectReport {
    /// The status of Nagios itself.
    pub program: ProgramStatus,
    /// The object; `None` if the file does not contain it.
    pub object: Option<ObjectStatus>,
    /// The host of a service, or the host itself; `None` if the file does not contain it.
    pub host: Option<ObjectStatus>,
    /// The number of opted-in objects that are in trouble, and the number of all opted-in objects.
    pub share: (u32, u32),
}

/// Finds a host, or one of its services, in the status file. The names are given in their spelling.
///
/// # Errors
/// The file is not readable.
pub fn find(
    path: &Path,
    host: &str,
    service: Option<&str>,
) -> Result<ObjectReport, StatusFileError> {
    let (host, service) = (unspell(host), service.map(unspell));
    let (mut found, mut its_host, mut share) = (None, None, (0, 0));
    let program = read(path, |object| {
        object.count_in(&mut share);
        if object.is(&host, service.as_deref()) {
            found = Some(object.clone());
        }
        if object.is(&host, None) {
            its_host = Some(object.clone());
        }
    })?;
    Ok(ObjectReport { program, object: found, host: its_host, share })
}

/// Returns the services of a host; `None` if the file does not contain the host.
///
/// # Errors
/// The file is not readable, or it is not a status file.
pub fn services(path: &Path, host: &str) -> Result<Option<Vec<String>>, StatusFileError> {
    let host = unspell(host);
    let (mut is_known, mut services) = (false, Vec::new());
    let program = read(path, |object| match object.service() {
        _ if object.host != host => {}
        Some(service) => services.push(spell(service)),
        None => is_known = true,
    })?;
    if program.written == SystemTime::UNIX_EPOCH {
        return Err(StatusFileError::Foreign(path.to_owned()));
    }
    Ok(is_known.then_some(services))
}

/// Opens the status file and passes its objects to `each`, like [`scan`].
///
/// # Errors
/// The file is not readable or is truncated.
pub fn read(
    path: &Path,
    each: impl FnMut(&ObjectStatus),
) -> Result<ProgramStatus, StatusFileError> {
    let unreadable = |why| StatusFileError::Unreadable { path: path.to_owned(), why };
    let file = safe_file::open(path).map_err(|why| unreadable(why.into()))?;
    scan(BufReader::new(file), each).map_err(unreadable)
}

/// Passes every host and service to `each`, in the order of the file. Nagios writes all hosts
/// before the services. Returns the status of Nagios itself.
///
/// # Errors
/// The file cannot be read, or it ends in the middle of a block. Any other content is accepted.
pub fn scan(
    mut file: impl BufRead,
    mut each: impl FnMut(&ObjectStatus),
) -> io::Result<ProgramStatus> {
    let mut program = ProgramStatus::nothing();
    let mut object = ObjectStatus::nothing();
    let (mut within, mut is_open) = (Block::Other, false);
    let mut line = Vec::new();
    let mut number = 0;
    while read_line(&mut file, &mut line, LONGEST_LINE)?.is_some() {
        number += 1;
        let text = line.trim_ascii();
        is_open = text != b"}" && (is_open || text.ends_with(b" {"));
        match (within, text) {
            (_, b"hoststatus {" | b"servicestatus {") => {
                object.clear(text == b"servicestatus {");
                within = Block::Object;
            }
            (_, b"info {" | b"programstatus {") => within = Block::Program,
            (_, b"}") => {
                if within == Block::Object {
                    each(&object);
                }
                within = Block::Other;
            }
            (Block::Object, field) => object.take(field, number),
            (Block::Program, field) => program.take(field, number),
            (Block::Other, _) => {}
        }
    }
    if is_open {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, TRUNCATED));
    }
    Ok(program)
}

/// Error text for a file that ends in the middle of a block. Nagios never leaves such a file,
/// because it writes a new file and renames it over the old one.
const TRUNCATED: &str = "it is truncated: it ends in the middle of an object";

/// Maximum length of a line, in bytes; the rest is skipped. The fields that are read are shorter.
const LONGEST_LINE: usize = 64 * 1024;

/// The kind of block that a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Other,
    Program,
    Object,
}
