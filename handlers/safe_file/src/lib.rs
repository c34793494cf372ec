//! Safely opens files that are named on a command line or in a configuration file. A file that is
//! opened this way can neither block nor mislead the program.
//!
//! Checking a path proves little, because another account can put a FIFO, a device or a link in its
//! place before the path is used. This crate therefore opens the path first and checks the
//! descriptor:
//!
//! - A file must be a regular file or /dev/null, and opening it never blocks.
//! - A symbolic link is followed only if no account other than root and our effective user can
//!   replace it.
//! - Reading stops at a size limit and at a deadline. [`Input`] also reads descriptors of any kind
//!   that the caller has opened (`/dev/stdin`, `<(...)`).
//! - Only root and our effective user can change a [`Directory`] and the directories above it.

mod descriptor;
mod directory;
mod error;
mod input;
mod kind;
mod walk;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::OFlags;

pub use directory::Directory;
pub use error::Error;
pub use input::{Input, own_descriptor};
pub use kind::{FileKind, Writer};

/// Opens a regular file for reading. /dev/null counts as an empty file.
///
/// # Errors
/// Fails if the path is not a regular file, contains a link that another account can replace, or
/// cannot be opened.
pub fn open(path: impl AsRef<Path>) -> Result<File, Error> {
    walk::open(path.as_ref(), OFlags::RDONLY, FileKind::File)
}

/// Reads a whole file, or an inherited descriptor as described for [`Input::open`]. The content is
/// never truncated.
///
/// # Errors
/// Fails if the content is larger than `limit` bytes or does not end before the deadline. Also
/// returns the errors of [`Input::open`].
pub fn read(
    path: impl AsRef<Path>,
    limit: u64,
    deadline: Option<Instant>,
) -> Result<Vec<u8>, Error> {
    Input::open(path, limit, deadline)?.read_all()
}

/// Returns the path of a file with all symbolic links resolved. A program that replaces the file
/// should use this path, so that the links are kept.
///
/// # Errors
/// Returns the same errors as [`open`], except that the file can be of any kind.
pub fn resolve(path: impl AsRef<Path>) -> Result<PathBuf, Error> {
    walk::walk(path.as_ref(), OFlags::RDONLY, |_, _| Ok(())).map(|place| place.path)
}

/// Opens a named pipe, such as Nagios' command file, for writing. Neither opening nor writing
/// blocks. Never creates a file.
///
/// # Errors
/// Returns [`Error::NoReader`] if no process reads the pipe, and [`Error::Kind`] if the path is a
/// symbolic link or not a named pipe.
pub fn open_fifo_for_writing(path: impl AsRef<Path>) -> Result<File, Error> {
    walk::open(path.as_ref(), OFlags::WRONLY | OFlags::NOFOLLOW, FileKind::Pipe)
}
