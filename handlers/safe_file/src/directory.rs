//! Directories that only root and our effective user can change.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::fchown;
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat, fchmod, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::descriptor::{expect, stat};
use crate::error::Error;
use crate::input::Input;
use crate::kind::{FileKind, Writer};
use crate::walk;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);
/// The sticky bit: only the owner of a file, the owner of the directory and root can remove or
/// rename the file, see inode(7).
const STICKY: u32 = 0o1000;
const SHARED: u32 = 0o022;

/// A directory that only root and our effective user can change. The same is true of all
/// directories above it. All operations use the directory's descriptor, so nobody can redirect them
/// by replacing a directory in its path.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    /// Opens a directory and checks every directory in its path, starting at the root. The path can
    /// lead through a sticky directory such as /tmp if the directories below it belong to root or
    /// to our effective user.
    ///
    /// # Errors
    /// Returns [`Error::Exposed`] with the first directory that another account can change, or
    /// [`Error::Link`] with the first link that another account can replace.
    pub fn open(path: impl AsRef<Path>) -> Result<Directory, Error> {
        Directory::open_for(path, geteuid().as_raw())
    }

    /// Opens a directory like [`Directory::open`], but checks that only root and the user with the
    /// ID `user` can change it.
    ///
    /// # Errors
    /// Returns the same errors as [`Directory::open`].
    pub fn open_for(path: impl AsRef<Path>, user: u32) -> Result<Directory, Error> {
        let path =
            std::path::absolute(path.as_ref()).map_err(|why| Error::io(path.as_ref(), why))?;
        let place = walk::walk(&path, DIRECTORY, |path, mut found| {
            if found.st_mode & STICKY != 0 {
                found.st_mode &= !SHARED;
            }
            private(path, &found, user)
        })?;
        private(&path, &stat(&path, &place.fd)?, user)?;
        Ok(Directory { path, fd: place.fd })
    }

    /// Changes the owner and group of the directory.
    ///
    /// # Errors
    /// Fails if the system call fails.
    pub fn give_to(self, user: u32, group: u32) -> Result<(), Error> {
        fchown(&self.fd, Some(user), Some(group)).map_err(|why| Error::io(&self.path, why))
    }

    /// Locks the directory. Waits for the lock until `deadline`. Dropping the returned file
    /// releases the lock. Any account that can open the directory can take the lock.
    ///
    /// # Errors
    /// Returns [`Error::Locked`] if the deadline passes. Also fails if a system call fails.
    pub fn lock(&self, deadline: Instant) -> Result<File, Error> {
        // Open a new descriptor for the lock. A duplicate of our own descriptor would share the
        // lock with it, so two calls could hold the lock at the same time.
        let opened = self.open_at(OsStr::new("."), DIRECTORY, Mode::empty())?;
        lock(opened.into(), &self.path, deadline)
    }

    /// Locks a file in the directory. Waits for the lock until `deadline`. Creates the file with
    /// mode 0600 if it does not exist. Dropping the returned file releases the lock. Only root and
    /// the owner of the file can take this lock, unlike the lock on the directory itself.
    ///
    /// # Errors
    /// Returns [`Error::Locked`] if the deadline passes. Also fails if the name is not a regular
    /// file or a system call fails.
    pub fn lock_file(&self, name: impl AsRef<OsStr>, deadline: Instant) -> Result<File, Error> {
        let (name, path) = self.name(name.as_ref())?;
        let file = match self.create_new(name, 0o600) {
            Err(why) if why.kind() == ErrorKind::AlreadyExists => self.open_file(name)?,
            created => created?,
        };
        lock(file, &path, deadline)
    }

    /// Returns the absolute path under which the directory was opened or created.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the metadata of an entry in the directory. Does not follow symbolic links.
    ///
    /// # Errors
    /// Fails if the entry does not exist or a system call fails.
    pub fn metadata(&self, name: impl AsRef<OsStr>) -> Result<Metadata, Error> {
        let (name, path) = self.name(name.as_ref())?;
        let opened = self.open_at(name, OFlags::PATH, Mode::empty())?;
        File::from(opened).metadata().map_err(|why| Error::io(&path, why))
    }

    /// Creates a directory with exactly this mode, regardless of the umask.
    ///
    /// # Errors
    /// Fails if the name already exists or a system call fails.
    pub fn create_dir(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Directory, Error> {
        let (name, path) = self.name(name.as_ref())?;
        mkdirat(&self.fd, name, Mode::RWXU).map_err(|why| Error::io(&path, why))?;
        let opened = self.open_at(name, DIRECTORY, Mode::empty())?;
        fchmod(&opened, Mode::from_raw_mode(mode)).map_err(|why| Error::io(&path, why))?;
        Ok(Directory { path, fd: opened })
    }

    /// Creates a file with exactly this mode, regardless of the umask, and opens it for writing.
    ///
    /// # Errors
    /// Fails if the name already exists, even as a symbolic link, or if a system call fails.
    pub fn create_new(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File, Error> {
        let (name, path) = self.name(name.as_ref())?;
        let opened = self.open_at(
            name,
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
            Mode::RUSR | Mode::WUSR,
        )?;
        fchmod(&opened, Mode::from_raw_mode(mode)).map_err(|why| Error::io(&path, why))?;
        Ok(opened.into())
    }

    /// Returns the names of the entries, in no particular order, without `.` and `..`.
    ///
    /// # Errors
    /// Fails if the directory cannot be read. The iterator can also return this error later, after
    /// some of the names.
    pub fn names(&self) -> Result<impl Iterator<Item = Result<OsString, Error>>, Error> {
        let unreadable = |why| Error::io(&self.path, why);
        let entries = Dir::read_from(&self.fd).map_err(unreadable)?;
        let names = entries.map(move |entry| {
            let name = entry.map_err(unreadable)?.file_name().to_bytes().to_owned();
            Ok(OsString::from_vec(name))
        });
        Ok(names.filter(|name| !name.as_ref().is_ok_and(|name| name == "." || name == "..")))
    }

    /// Opens a regular file for reading and writing. If the file does not exist, creates it with
    /// this mode, minus the umask.
    ///
    /// # Errors
    /// Fails if the name belongs to a symbolic link or another kind of file, or if a system call
    /// fails.
    pub fn open_or_create(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File, Error> {
        let (name, path) = self.name(name.as_ref())?;
        let flags = OFlags::RDWR | OFlags::CREATE;
        expect(&path, self.open_at(name, flags, Mode::from_raw_mode(mode))?, FileKind::File)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// Fails if the name belongs to a symbolic link or another kind of file, or if a system call
    /// fails.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> Result<File, Error> {
        let (name, path) = self.name(name.as_ref())?;
        expect(&path, self.open_at(name, OFlags::RDONLY, Mode::empty())?, FileKind::File)
    }

    /// Reads a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// Returns [`Error::TooLarge`] or an error from [`Directory::open_file`].
    pub fn read(&self, name: impl AsRef<OsStr>, limit: u64) -> Result<Vec<u8>, Error> {
        let (name, path) = self.name(name.as_ref())?;
        Input::new(self.open_file(name)?, &path, limit, None)?.read_all()
    }

    /// Renames `from` to `to`. Replaces `to` if it exists.
    ///
    /// # Errors
    /// Fails if the system call fails.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> Result<(), Error> {
        let ((from, path), (to, _)) = (self.name(from.as_ref())?, self.name(to.as_ref())?);
        renameat(&self.fd, from, &self.fd, to).map_err(|why| Error::io(&path, why))
    }

    /// Writes a new file with this mode. If `owner` is set, the file gets these user and group IDs.
    /// Removes the file again if it cannot be written completely.
    ///
    /// # Errors
    /// Fails if the name already exists, even as a symbolic link, or if a system call fails.
    pub fn write_new(
        &self,
        name: impl AsRef<OsStr>,
        content: &[u8],
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<(), Error> {
        let (name, path) = self.name(name.as_ref())?;
        let mut file = self.create_new(name, mode)?;
        let owned = owner.map_or(Ok(()), |(user, group)| fchown(&file, Some(user), Some(group)));
        let written = owned.and_then(|()| file.write_all(content)).and_then(|()| file.sync_all());
        written.map_err(|why| Error::io(&path, why)).inspect_err(|_| drop(self.remove(name)))
    }

    /// Writes a file. Replaces an existing file atomically.
    ///
    /// # Errors
    /// Fails if a system call fails. In this case, an existing file is unchanged.
    pub fn replace(
        &self,
        name: impl AsRef<OsStr>,
        content: &[u8],
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<(), Error> {
        let (name, _) = self.name(name.as_ref())?;
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(format!(".new-{}", std::process::id()));
        // Remove this draft if it already exists. A killed process that had the same process ID may
        // have left it behind.
        let _ = self.remove(&draft);
        self.write_new(&draft, content, mode, owner)?;
        self.rename(&draft, name).inspect_err(|_| drop(self.remove(&draft)))
    }

    /// Removes a file or a symbolic link.
    ///
    /// # Errors
    /// Fails if the name does not exist or is a directory, or if the system call fails.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<(), Error> {
        let (name, path) = self.name(name.as_ref())?;
        unlinkat(&self.fd, name, AtFlags::empty()).map_err(|why| Error::io(&path, why))
    }

    /// Checks that `name` is a single component that stays in this directory. Returns the name, and
    /// its full path for messages.
    fn name<'a>(&self, name: &'a OsStr) -> Result<(&'a OsStr, PathBuf), Error> {
        let path = self.path.join(name);
        let mut parts = Path::new(name).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(only)), None) if only == name => Ok((name, path)),
            _ => Err(Error::io(&path, Errno::INVAL)),
        }
    }

    fn open_at(&self, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, Error> {
        let opened = openat(&self.fd, name, flags | OFlags::NOFOLLOW | walk::ALWAYS, mode);
        let path = || self.path.join(name);
        opened.map_err(|why| match why {
            Errno::LOOP => {
                Error::Kind { path: path(), found: FileKind::Link, expected: FileKind::File }
            }
            why => Error::io(&path(), why),
        })
    }
}

fn lock(file: File, path: &Path, deadline: Instant) -> Result<File, Error> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(why)) => return Err(Error::io(path, why)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(Error::Locked { path: path.to_owned() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn private(path: &Path, found: &Stat, user: u32) -> Result<(), Error> {
    match Writer::beside(found, user) {
        None => Ok(()),
        Some(writer) => Err(Error::Exposed {
            path: path.to_owned(),
            writer,
            owner: found.st_uid,
            mode: found.st_mode & 0o7777,
        }),
    }
}
