//! Opens a path without following a symbolic link that another account can replace.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, Stat, fstatfs, openat, openat2,
    readlinkat, statat,
};
use rustix::io::Errno;

use crate::descriptor::{expect, stat};
use crate::error::Error;
use crate::kind::{FileKind, Writer};

/// Flags for every open(2). With them, the call does not block and does not give us a controlling
/// terminal, and programs that we start do not inherit the descriptor.
pub(crate) const ALWAYS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
/// Maximum number of symbolic links in a path. The kernel has the same limit (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Opens a file of the expected kind.
pub(crate) fn open(path: &Path, flags: OFlags, expected: FileKind) -> Result<File, Error> {
    let opened = match openat2(CWD, path, flags | ALWAYS, Mode::empty(), ResolveFlags::NO_SYMLINKS)
    {
        // Open the path component by component if it contains a link (LOOP), if the kernel is too
        // old for openat2(2) (NOSYS) or if a system call filter does not know openat2(2) (PERM).
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM) => {
            walk(path, flags, |_, _| Ok(())).map(|place| place.fd)
        }
        opened => opened.map_err(|why| Error::io(path, why)),
    };
    expect(path, opened.map_err(|why| unopenable(path, why, expected))?, expected)
}

/// Replaces a system error with a clearer one if the file is of the wrong kind or a pipe has no
/// reader. Looks up the kind by path. Another account could replace the file before this, but only
/// the message depends on the result.
fn unopenable(path: &Path, why: Error, expected: FileKind) -> Error {
    let errno = if let Error::Io { why, .. } = &why { Errno::from_io_error(why) } else { None };
    if !matches!(errno, Some(Errno::NXIO | Errno::ISDIR)) {
        return why;
    }
    match statat(CWD, path, AtFlags::empty()).map(|found| FileKind::of(&found)) {
        Ok(found) if found != expected => Error::Kind { path: path.to_owned(), found, expected },
        Ok(FileKind::Pipe) => Error::NoReader { path: path.to_owned() },
        _ => why,
    }
}

/// Opens a path component by component, and calls `enter` to check every directory in it.
pub(crate) fn walk(
    path: &Path,
    flags: OFlags,
    enter: impl Fn(&Path, Stat) -> Result<(), Error>,
) -> Result<OpenedPath, Error> {
    let mut here = OpenedPath::start(path)?;
    let mut names = names(path);
    let mut links = 0;
    // When a directory is opened, all directories above it must be checked. A link in /proc to an
    // open directory would skip them, so follow the path of the link's target instead.
    let by_name = flags.contains(OFlags::DIRECTORY);
    while let Some(name) = names.pop() {
        let directory = stat(&here.path, &here.fd)?;
        enter(&here.path, directory)?;
        let last = names.is_empty();
        let flags = if last { flags } else { OFlags::PATH | OFlags::DIRECTORY };
        here = match here.step(&name, flags)? {
            WalkEntry::Opened(place) if last => return Ok(place),
            WalkEntry::Opened(place) => place,
            WalkEntry::Link(link, _) if flags.contains(OFlags::NOFOLLOW) => {
                return Err(Error::Kind {
                    path: link,
                    found: FileKind::Link,
                    expected: FileKind::Pipe,
                });
            }
            WalkEntry::Link(link, target) => {
                if let Some(writer) = Writer::of(&directory) {
                    return Err(Error::Link { path: link, writer });
                }
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::io(&link, Errno::LOOP));
                }
                if here.is_in_proc() && !by_name {
                    let place = here.follow(&name, flags)?;
                    if last {
                        return Ok(place);
                    }
                    place
                } else {
                    names.extend(self::names(&target));
                    if target.has_root() { OpenedPath::start(&target)? } else { here }
                }
            }
        }
    }
    Err(Error::io(path, Errno::NOENT))
}

/// Returns the components of a path in reverse order.
fn names(path: &Path) -> Vec<OsString> {
    let inner =
        |part: Component<'_>| (part != Component::RootDir).then(|| part.as_os_str().to_owned());
    let names: Vec<OsString> = path.components().rev().filter_map(inner).collect();
    // The path `/` has no names. To open it, look up `.` in the root directory.
    if names.is_empty() && path.has_root() { vec![".".into()] } else { names }
}

/// An open descriptor and the path that led to it.
pub(crate) struct OpenedPath {
    pub(crate) path: PathBuf,
    pub(crate) fd: OwnedFd,
}

/// What a name in a directory refers to.
enum WalkEntry {
    Opened(OpenedPath),
    /// A symbolic link: its path and its target.
    Link(PathBuf, PathBuf),
}

impl OpenedPath {
    fn start(path: &Path) -> Result<OpenedPath, Error> {
        let (path, name) = if path.has_root() { ("/", "/") } else { ("", ".") };
        let opened = openat(CWD, name, OFlags::PATH | OFlags::DIRECTORY | ALWAYS, Mode::empty());
        Ok(OpenedPath {
            path: path.into(),
            fd: opened.map_err(|why| Error::io(Path::new(name), why))?,
        })
    }

    /// Whether this directory is in a proc(5) file system. A link in such a directory can lead to
    /// an open file whose name has been removed.
    fn is_in_proc(&self) -> bool {
        fstatfs(&self.fd).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC)
    }

    fn follow(&self, name: &OsStr, flags: OFlags) -> Result<OpenedPath, Error> {
        let path = self.path.join(name);
        let opened = openat(&self.fd, name, flags | ALWAYS, Mode::empty());
        Ok(OpenedPath { fd: opened.map_err(|why| Error::io(&path, why))?, path })
    }

    fn step(&self, name: &OsStr, flags: OFlags) -> Result<WalkEntry, Error> {
        let path = self.path.join(name);
        match openat(&self.fd, name, flags | OFlags::NOFOLLOW | ALWAYS, Mode::empty()) {
            Ok(fd) => Ok(WalkEntry::Opened(OpenedPath { path, fd })),
            Err(why @ (Errno::LOOP | Errno::NOTDIR)) => {
                match readlinkat(&self.fd, name, Vec::new()) {
                    Ok(target) => {
                        Ok(WalkEntry::Link(path, OsString::from_vec(target.into_bytes()).into()))
                    }
                    Err(_) => Err(Error::io(&path, why)),
                }
            }
            Err(why) => Err(Error::io(&path, why)),
        }
    }
}
