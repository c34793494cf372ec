//! Opens the files that a command line or a configuration names, so that none of them can hang or
//! mislead a program.
//!
//! A check of a name proves little: before its use, another account can put a pipe, a device or a
//! link in its place. Every rule here is therefore checked on the descriptor that is then used:
//!
//! - A file is a regular file (or /dev/null), and opening it never waits.
//! - A symbolic link is followed only if no account but root and our effective user can replace it.
//! - Reading ends at a size limit and at a deadline. [`Input`] also reads the caller's own
//!   descriptors (`/dev/stdin`, `<(...)`) of any kind.
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

/// Opens a regular file for reading. /dev/null counts as an empty one.
///
/// # Errors
/// It is another kind of file, or a link that another account can replace.
pub fn open(path: impl AsRef<Path>) -> Result<File, Error> {
    walk::open(path.as_ref(), OFlags::RDONLY, FileKind::File)
}

/// Reads a whole file, or one of our own descriptors as [`Input::open`] does.
///
/// # Errors
/// The content has more than `limit` bytes, or has not ended at the deadline. It is never cut.
pub fn read(
    path: impl AsRef<Path>,
    limit: u64,
    deadline: Option<Instant>,
) -> Result<Vec<u8>, Error> {
    Input::open(path, limit, deadline)?.read_all()
}

/// Returns the path of a file behind all links, for a file that takes its place.
///
/// # Errors
/// Those of [`open`], but it may be of any kind.
pub fn resolve(path: impl AsRef<Path>) -> Result<PathBuf, Error> {
    walk::walk(path.as_ref(), OFlags::RDONLY, |_, _| Ok(())).map(|place| place.path)
}

/// Opens a named pipe for writing, such as Nagios' command file. Neither opening nor writing ever
/// waits, nothing is created, and no other kind of file is ever written.
///
/// # Errors
/// [`Error::NoReader`] if no process reads the pipe; [`Error::Kind`] if it is something else, or
/// a link.
pub fn open_fifo_for_writing(path: impl AsRef<Path>) -> Result<File, Error> {
    walk::open(path.as_ref(), OFlags::WRONLY | OFlags::NOFOLLOW, FileKind::Pipe)
}
