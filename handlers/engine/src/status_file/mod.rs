//! Nagios' status file: all its hosts and services as Nagios sees them. Read as bytes, block by
//! block, in constant memory: the file of a large site is tens of megabytes, and its text is
//! anything that plugins have printed.

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

/// Why the status file cannot be used. Nothing is repaired then.
#[derive(Debug, thiserror::Error)]
pub enum StatusFileError {
    /// Missing, or not readable for us.
    #[error("cannot read Nagios' status file {path}: {why}; see status_file in nagios.cfg")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// Another file, or an empty one.
    #[error(
        "{0} is no status file of Nagios: it does not say when it was written; see status_file in \
         nagios.cfg"
    )]
    Foreign(PathBuf),
    /// The object of the event is not in it.
    #[error("Nagios' status file {path} does not know {object}; is it the file of this Nagios?")]
    NoSuchObject {
        /// The file.
        path: PathBuf,
        /// The object.
        object: String,
    },
}

/// One object of the file, and what else matters for a decision about it.
#[derive(Debug)]
pub struct ObjectReport {
    /// Nagios itself.
    pub program: ProgramStatus,
    /// The object; `None` if the file does not show it.
    pub object: Option<ObjectStatus>,
    /// Its host, or itself; `None` if the file does not show it.
    pub host: Option<ObjectStatus>,
    /// The number of objects with a repair that are in trouble, and of all with a repair.
    pub share: (u32, u32),
}

/// Reads what the file says of a host, or of one service of it, by their spelled names.
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

/// Returns the services of a host; `None` if the file does not show the host itself.
///
/// # Errors
/// The file cannot be read, or is not a status file.
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

/// Reads the file as [`scan`] does.
///
/// # Errors
/// The file is not readable.
pub fn read(
    path: &Path,
    each: impl FnMut(&ObjectStatus),
) -> Result<ProgramStatus, StatusFileError> {
    let unreadable = |why| StatusFileError::Unreadable { path: path.to_owned(), why };
    let file = safe_file::open(path).map_err(|why| unreadable(why.into()))?;
    scan(BufReader::new(file), each).map_err(unreadable)
}

/// Passes every host and service to `each`, in the order of the file: Nagios writes all hosts
/// before the services.
///
/// # Errors
/// Those of reading, and the file ends in the middle of a block. All other content is accepted.
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

/// Nagios writes the file anew beside the old one, so it never ends like this by itself.
const TRUNCATED: &str = "it is truncated: it ends in the middle of an object";

/// No field that matters is longer, in bytes; what a line has beyond it is skipped.
const LONGEST_LINE: usize = 64 * 1024;

/// The kind of block a line stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Other,
    Program,
    Object,
}
