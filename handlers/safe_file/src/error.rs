//! Why a file is not opened or read.

use std::io;
use std::path::{Path, PathBuf};

use crate::kind::{FileKind, Writer};

/// Why a file is not opened or read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are in the messages")]
pub enum Error {
    /// The system call failed. [`Error::kind`] separates missing from forbidden.
    #[error("{}: {why}", path.display())]
    Io { path: PathBuf, why: io::Error },
    /// It is another kind of file.
    #[error("{} is {found}, not {expected}", path.display())]
    Kind { path: PathBuf, found: FileKind, expected: FileKind },
    /// A link that another account can point elsewhere at any time.
    #[error("{} is a symbolic link in a directory that {writer} can write; name the file it points \
             to", path.display())]
    Link { path: PathBuf, writer: Writer },
    /// A directory that another account can change.
    #[error(
        "{} can be changed by {writer} (owner: user ID {owner}, mode {mode:04o}); use a \
         directory that only root can change, or make this one so",
        path.display()
    )]
    Exposed { path: PathBuf, writer: Writer, owner: u32, mode: u32 },
    /// It is larger than its limit.
    #[error("{} is larger than {limit} bytes; name another file", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    /// The deadline passed before its end.
    #[error("{} did not end in time; name a regular file", path.display())]
    Late { path: PathBuf },
    /// Another process holds the lock.
    #[error("{} is locked by another process; find it with lslocks(8)", path.display())]
    Locked { path: PathBuf },
    /// A named pipe without a reader.
    #[error("{} has no reader; is Nagios running?", path.display())]
    NoReader { path: PathBuf },
}

impl Error {
    pub(crate) fn io(path: &Path, why: impl Into<io::Error>) -> Error {
        Error::Io { path: path.to_owned(), why: why.into() }
    }

    /// Returns the nearest kind of I/O error; `NotFound` and `PermissionDenied` are the system's
    /// own words.
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

/// The system's own words are without the path, as those of std are.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match error {
            Error::Io { why, .. } => why,
            error => io::Error::new(error.kind(), error),
        }
    }
}
