//! Opens the files that a command line or a configuration names, so that none of them can hang a
//! program or lead it astray.
//!
//! A name says little: between a look at it and its use, another account can put a pipe, a device
//! or a link in its place. Every rule here is therefore checked on the descriptor that is then
//! used:
//!
//! - A file is a regular file (or /dev/null), and opening it never waits.
//! - A symbolic link is followed only if no account but root and our effective user can replace it.
//! - Reading ends at a size limit and at a deadline. [`Input`] also reads the caller's own
//!   descriptors (`/dev/stdin`, `<(...)`), whatever they are.
//! - A [`Directory`] is closed to every other account, and so is everything above it.

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
pub use kind::{Kind, Writer};

/// Opens a regular file for reading. /dev/null counts as an empty one.
///
/// # Errors
/// Anything else is refused at once, and so is a link that another account can replace.
pub fn open(path: impl AsRef<Path>) -> Result<File, Error> {
    walk::open(path.as_ref(), OFlags::RDONLY, Kind::File)
}

/// Reads a whole file, or one of our own descriptors as [`Input::open`] does.
///
/// # Errors
/// A content of more than `limit` bytes, or one that has not ended at the deadline, is refused, not
/// cut.
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
/// [`Error::NobodyReads`] if no process reads the pipe; [`Error::Kind`] if it is something else, or
/// a link.
pub fn open_fifo_for_writing(path: impl AsRef<Path>) -> Result<File, Error> {
    walk::open(path.as_ref(), OFlags::WRONLY | OFlags::NOFOLLOW, Kind::Pipe)
}
