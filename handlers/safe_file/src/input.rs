//! Reads files and inherited descriptors up to a size limit and a deadline.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::descriptor::stat;
use crate::error::Error;
use crate::kind::FileKind;
use crate::walk;

/// Maximum number of bytes to allocate before reading.
const MAX_CAPACITY: u64 = 1 << 20;

/// A file or an inherited descriptor that is read up to a size limit and a deadline.
#[derive(Debug)]
pub struct Input {
    file: File,
    path: PathBuf,
    size: u64,
    /// Whether a read may have to wait for another process to write.
    waits: bool,
    limit: u64,
    left: u64,
    deadline: Option<Instant>,
}

impl Input {
    /// Opens a file like [`crate::open`], or an inherited descriptor: `/dev/stdin`, `/dev/fd/N` or
    /// `/proc/self/fd/N`. A shell passes such a path for `<(...)`. Pipes and terminals are allowed
    /// as inherited descriptors, because the process that started us opened them.
    ///
    /// # Errors
    /// Returns the same errors as [`crate::open`]. Also fails if the descriptor is a directory.
    pub fn open(
        path: impl AsRef<Path>,
        limit: u64,
        deadline: Option<Instant>,
    ) -> Result<Input, Error> {
        let path = path.as_ref();
        let file = match own_descriptor(path) {
            // Open the descriptor again, so that O_NONBLOCK affects only this process. Other
            // processes share the flags of the inherited descriptor.
            Some(number) => match reopen(number) {
                // A pipe that another account created cannot be opened again. Read it through the
                // inherited descriptor instead.
                Err(Errno::ACCESS) if number == 0 => return Input::stdin(limit, deadline),
                opened => opened.map_err(|why| Error::io(path, why))?,
            },
            None => walk::open(path, OFlags::RDONLY, FileKind::File)?,
        };
        Input::new(file, path, limit, deadline)
    }

    /// Returns the metadata of the file or descriptor.
    ///
    /// # Errors
    /// Fails if the system call fails.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Reads standard input from its current position. Unlike `/dev/stdin`, this also works if
    /// standard input is a socket.
    ///
    /// # Errors
    /// Fails if there is no standard input or if it is a directory.
    pub fn stdin(limit: u64, deadline: Option<Instant>) -> Result<Input, Error> {
        let path = Path::new("standard input");
        let file = io::stdin().as_fd().try_clone_to_owned().map_err(|why| Error::io(path, why))?;
        Input::new(file.into(), path, limit, deadline)
    }

    pub(crate) fn new(
        file: File,
        path: &Path,
        limit: u64,
        deadline: Option<Instant>,
    ) -> Result<Input, Error> {
        let found = stat(path, &file)?;
        let path = path.to_owned();
        let size = u64::try_from(found.st_size).unwrap_or_default();
        let waits = match FileKind::of(&found) {
            FileKind::Directory => {
                return Err(Error::Kind {
                    path,
                    found: FileKind::Directory,
                    expected: FileKind::File,
                });
            }
            kind => kind != FileKind::File,
        };
        if size > limit {
            return Err(Error::TooLarge { path, limit });
        }
        Ok(Input { file, path, size, waits, limit, left: limit, deadline })
    }

    /// Whether this is a regular file. Pipes, terminals and /dev/null are not.
    ///
    /// # Errors
    /// Fails if the system call fails.
    pub fn is_regular(&self) -> Result<bool, Error> {
        self.file.metadata().map(|found| found.is_file()).map_err(|why| Error::io(&self.path, why))
    }

    /// Reads everything up to the end.
    ///
    /// # Errors
    /// Fails if the content is larger than the limit, does not end before the deadline, or cannot
    /// be read.
    pub fn read_all(mut self) -> Result<Vec<u8>, Error> {
        // The size is only a hint. A file in /proc reports size 0, and a sparse file can report any
        // size.
        let mut content = Vec::with_capacity(
            usize::try_from(self.size.min(MAX_CAPACITY)).unwrap_or_default() + 1,
        );
        match self.read_to_end(&mut content) {
            Ok(_) => Ok(content),
            Err(why) => Err(why.downcast().unwrap_or_else(|why| Error::io(&self.path, why))),
        }
    }

    /// Waits until data is available. Fails when the deadline passes.
    fn ready(&self) -> io::Result<()> {
        let late = || Error::Late { path: self.path.clone() };
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(late().into());
        }
        if !self.waits {
            return Ok(());
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], left.as_ref())? {
            0 => Err(late().into()),
            _ => Ok(()),
        }
    }
}

impl Read for Input {
    /// Reads like read(2). An error from this crate is wrapped in an [`io::Error`] of the same
    /// kind.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Try to read one byte more than the limit allows. If that byte exists, the content is too
        // large.
        let most =
            usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let too_large = || Error::TooLarge { path: self.path.clone(), limit: self.limit };
        loop {
            self.ready()?;
            match self.file.read(buffer) {
                // Another process read the data before us, so wait again.
                Err(why) if self.waits && why.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    let read = read?;
                    self.left = self.left.checked_sub(read as u64).ok_or_else(too_large)?;
                    return Ok(read);
                }
            }
        }
    }
}

/// Returns the number of the inherited descriptor if the path is `/dev/stdin`, `/dev/fd/N` or
/// `/proc/self/fd/N`. Otherwise returns `None`.
#[must_use]
pub fn own_descriptor(path: &Path) -> Option<u32> {
    match path.as_os_str().as_bytes() {
        b"/dev/stdin" => Some(0),
        name => {
            let number =
                name.strip_prefix(b"/dev/fd/").or_else(|| name.strip_prefix(b"/proc/self/fd/"))?;
            std::str::from_utf8(number).ok()?.parse().ok()
        }
    }
}

fn reopen(number: u32) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(format!("/proc/self/fd/{number}"), flags, Mode::empty()).map(File::from)
}
