//! Distinguishes kinds of files, and finds out which accounts can change a directory.

use std::fmt;

use rustix::fs::{FileType, Stat, major, minor};
use rustix::process::geteuid;

/// The kind of file that a path or a descriptor refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file. /dev/null counts as an empty file.
    File,
    /// A directory.
    Directory,
    /// A named or anonymous pipe.
    Pipe,
    /// A symbolic link.
    Link,
    /// A Unix domain or network socket.
    Socket,
    /// A terminal, a disk, or another device.
    Device,
}

impl FileKind {
    pub(crate) fn of(found: &Stat) -> FileKind {
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Fifo => FileKind::Pipe,
            FileType::Symlink => FileKind::Link,
            FileType::Socket => FileKind::Socket,
            // The device number of /dev/null, see null(4).
            FileType::CharacterDevice if (major(found.st_rdev), minor(found.st_rdev)) == (1, 3) => {
                FileKind::File
            }
            _ => FileKind::Device,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::File => "a regular file",
            FileKind::Directory => "a directory",
            FileKind::Pipe => "a named pipe",
            FileKind::Link => "a symbolic link",
            FileKind::Socket => "a socket",
            FileKind::Device => "a device",
        })
    }
}

/// The accounts, besides root and our effective user, that can replace the files in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The owner of the directory. Holds the owner's user ID.
    Owner(u32),
    /// The members of the directory's group. Holds the group ID.
    Group(u32),
    /// Every account on the system.
    Everybody,
}

impl Writer {
    /// Returns who else can change the directory, or `None` if only root and our effective user
    /// can. If several of the variants apply, returns the one that includes the most accounts.
    pub(crate) fn of(found: &Stat) -> Option<Writer> {
        Writer::beside(found, geteuid().as_raw())
    }

    /// Returns the largest set of accounts, other than root and `user`, that can change the
    /// directory.
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
