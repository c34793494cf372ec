//! Errors from opening and reading files.

use std::io;
use std::path::{Path, PathBuf};

use crate::kind::{FileKind, Writer};

/// Why a file was not opened or read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum Error {
    /// A system call failed. [`Error::kind`] distinguishes a missing file from a forbidden one.
    #[error("{}: {why}", path.display())]
    Io { path: PathBuf, why: io::Error },
    /// The path is not the expected kind of file, for example a FIFO.
    #[error("{} is {found}, not {expected}", path.display())]
    Kind { path: PathBuf, found: FileKind, expected: FileKind },
    /// The path contains a symbolic link that another account can replace at any time.
    #[error("{} is a symbolic link in a directory that {writer} can write to; name the file that \
             the link points to", path.display())]
    Link { path: PathBuf, writer: Writer },
    /// Another account can change the directory.
    #[error(
        "{} can be changed by {writer} (owner: user ID {owner}, mode {mode:04o}); use a \
         directory that only root can change, or correct the owner and mode of this one",
        path.display()
    )]
    Exposed { path: PathBuf, writer: Writer, owner: u32, mode: u32 },
    /// The content is larger than the limit.
    #[error("{} is larger than {limit} bytes; use another file", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    /// The deadline passed before the end of the content was reached.
    #[error("{} did not end in time; use a regular file", path.display())]
    Late { path: PathBuf },
    /// Another process held the lock until the deadline.
    #[error("{} is locked by another process; find it with lslocks(8)", path.display())]
    Locked { path: PathBuf },
    /// No process has opened the named pipe for reading.
    #[error("no process reads from {}; is Nagios running?", path.display())]
    NoReader { path: PathBuf },
}

impl Error {
    pub(crate) fn io(path: &Path, why: impl Into<io::Error>) -> Error {
        Error::Io { path: path.to_owned(), why: why.into() }
    }

    /// Returns the closest I/O error kind. Returns `NotFound` and `PermissionDenied` only if a
    /// system call failed with that error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Error::Io { why, .. } => why.kind(),
            Error::Kind { found: FileKind::Directory, .. } => io::ErrorKind::IsADirectory,
            Error::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            Error::Late { .. } | Error::Locked { .. } => io::ErrorKind::TimedOut,
            Error::Kind { .. }
            | Error::Link { .. }
            | Error::Exposed { .. }
            | Error::NoReader { .. } => io::ErrorKind::Other,
        }
    }
}

/// Converts an error to an I/O error. As in std, an error from a failed system call does not
/// contain the path.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match error {
            Error::Io { why, .. } => why,
            error => io::Error::new(error.kind(), error),
        }
    }
}
