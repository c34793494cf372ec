//! Reads up to a size and a deadline.

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

const MOST_AT_ONCE: u64 = 1 << 20;

/// A file or one of our own descriptors, read up to a size and a deadline.
#[derive(Debug)]
pub struct Input {
    file: File,
    path: PathBuf,
    size: u64,
    /// Whether a read may wait for another process.
    waits: bool,
    limit: u64,
    left: u64,
    deadline: Option<Instant>,
}

impl Input {
    /// Opens a file as [`crate::open`] does. `/dev/stdin`, `/dev/fd/N` and `/proc/self/fd/N` (which
    /// `<(...)` of a shell becomes) are our own descriptors: the caller opened them, so they may be
    /// pipes and terminals as well.
    ///
    /// # Errors
    /// Those of [`crate::open`], and a directory as a descriptor.
    pub fn open(
        path: impl AsRef<Path>,
        limit: u64,
        deadline: Option<Instant>,
    ) -> Result<Input, Error> {
        let path = path.as_ref();
        let file = match own_descriptor(path) {
            // Opened anew, so that O_NONBLOCK is ours alone: the caller's flags are shared with
            // other processes.
            Some(number) => match reopen(number) {
                // Another account may have created the pipe, but standard input was given to us.
                Err(Errno::ACCESS) if number == 0 => return Input::stdin(limit, deadline),
                opened => opened.map_err(|why| Error::io(path, why))?,
            },
            None => walk::open(path, OFlags::RDONLY, FileKind::File)?,
        };
        Input::new(file, path, limit, deadline)
    }

    /// Describes what is read.
    ///
    /// # Errors
    /// The system refuses.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Takes over our standard input at its current position. Unlike `/dev/stdin` it may be a
    /// socket.
    ///
    /// # Errors
    /// There is no standard input, or it is a directory.
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

    /// Tells a regular file from a pipe, a terminal and /dev/null.
    ///
    /// # Errors
    /// The system refuses.
    pub fn is_regular(&self) -> Result<bool, Error> {
        self.file.metadata().map(|found| found.is_file()).map_err(|why| Error::io(&self.path, why))
    }

    /// Reads all that is left.
    ///
    /// # Errors
    /// It is larger than the limit, does not end in time, or cannot be read.
    pub fn read_all(mut self) -> Result<Vec<u8>, Error> {
        // A hint only: a file in /proc has no size, and one with holes may have any.
        let mut content = Vec::with_capacity(
            usize::try_from(self.size.min(MOST_AT_ONCE)).unwrap_or_default() + 1,
        );
        match self.read_to_end(&mut content) {
            Ok(_) => Ok(content),
            Err(why) => Err(why.downcast().unwrap_or_else(|why| Error::io(&self.path, why))),
        }
    }

    /// Waits until there is something to read, or the deadline passes.
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
    /// Reads as `read(2)` does. The errors hold an [`Error`], with its kind.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more than is allowed shows that there is more.
        let most =
            usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let too_large = || Error::TooLarge { path: self.path.clone(), limit: self.limit };
        loop {
            self.ready()?;
            match self.file.read(buffer) {
                // Another reader was faster.
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

/// Returns the number of the descriptor of ours that a path stands for: `/dev/stdin`, `/dev/fd/N`,
/// `/proc/self/fd/N`.
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
