//! What a descriptor is, and who else can change it.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Stat, fstat, major, minor};
use rustix::process::geteuid;

use crate::Error;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, or /dev/null, which is as good as an empty one.
    File,
    /// A directory.
    Directory,
    /// A pipe, with or without a name.
    Pipe,
    /// A symbolic link.
    Link,
    /// A socket.
    Socket,
    /// A terminal, a disk, or another device.
    Device,
}

impl Kind {
    pub(crate) fn of(found: &Stat) -> Kind {
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Fifo => Kind::Pipe,
            FileType::Symlink => Kind::Link,
            FileType::Socket => Kind::Socket,
            // null(4)
            FileType::CharacterDevice if (major(found.st_rdev), minor(found.st_rdev)) == (1, 3) => {
                Kind::File
            }
            _ => Kind::Device,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::File => "a regular file",
            Kind::Directory => "a directory",
            Kind::Pipe => "a named pipe",
            Kind::Link => "a symbolic link",
            Kind::Socket => "a socket",
            Kind::Device => "a device",
        })
    }
}

/// Returns the descriptor as a file if it is of the expected kind.
pub(crate) fn expect(path: &Path, opened: OwnedFd, expected: Kind) -> Result<File, Error> {
    let found = Kind::of(&stat(path, &opened)?);
    if found == expected {
        Ok(opened.into())
    } else {
        Err(Error::Kind { path: path.to_owned(), found, expected })
    }
}

pub(crate) fn stat(path: &Path, opened: impl AsFd) -> Result<Stat, Error> {
    fstat(opened).map_err(|why| Error::io(path, why))
}

/// Who, beside root and our effective user, can replace what is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Its owner, by user ID.
    Owner(u32),
    /// The members of its group, by group ID.
    Group(u32),
    /// Every account.
    Everybody,
}

impl Writer {
    /// Returns the largest of these sets of accounts, if there is any.
    pub(crate) fn of(found: &Stat) -> Option<Writer> {
        Writer::beside(found, geteuid().as_raw())
    }

    /// The same for another user in place of our effective one.
    pub(crate) fn beside(found: &Stat, user: u32) -> Option<Writer> {
        match found.st_mode & 0o022 {
            0 => Some(found.st_uid).filter(|owner| ![0, user].contains(owner)).map(Writer::Owner),
            0o020 => Some(Writer::Group(found.st_gid)),
            _ => Some(Writer::Everybody),
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::Owner(user) => write!(f, "user ID {user}"),
            Writer::Group(group) => write!(f, "group ID {group}"),
            Writer::Everybody => f.write_str("every account"),
        }
    }
}
