//! The queue of handler calls that wait for a worker, and the slots that limit the number of
//! workers.
//!
//! Calls and slots are files in one directory next to the ledger or, if several servers share the
//! ledger, next to this server's own files. Only one worker at a time holds the decision role. This
//! worker takes the calls, oldest first, and decides whether to repair. Before it runs a repair, it
//! releases the role. Therefore a single worker can refuse thousands of calls, and each running
//! repair needs one more worker.
//!
//! The handler adds its call and then checks whether a worker holds the role. A worker that
//! releases the role checks the queue afterwards. So at least one of the two always notices that
//! the call needs a worker.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy::JobId;
use safe_file::{Directory, Error as FileError};

/// Maximum number of workers that run at the same time.
pub const SLOTS: usize = 64;
/// Name of the file that the worker with the decision role locks.
const ROLE: &str = "role";
/// Name of the file that exists while the queue is full.
const FULL: &str = "full";
/// Maximum number of waiting calls. The queue fills up only if all workers hang.
const MOST_WAITING: usize = 20_000;
/// On average, one of this many handlers counts the waiting calls. The clock decides which ones.
const COUNT_EVERY: u64 = 64;
/// Maximum size of a call in bytes. Linux has the same limit for a single argument.
const LONGEST_CALL: u64 = 128 << 10;
/// Age at which an incompletely written call is removed, because its handler must have died.
const DRAFT_TIME: Duration = Duration::from_secs(60);
/// How long to try to take the decision role. It can take several tries, because other processes
/// lock the role's file briefly to check whether a worker has the role.
const PROBE_TIME: Duration = Duration::from_secs(10);
/// Pause between two attempts to take the decision role.
const PROBE_PAUSE: Duration = Duration::from_millis(1);
/// First character of the file names of incompletely written calls.
const DRAFT: &str = ".";

/// Why a call could not be added to the queue or taken from it.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue's directory or a file in it cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A call could not be written, or a slot could not be locked.
    #[error("{}: {why}", path.display())]
    Io {
        /// Path of the queue.
        path: PathBuf,
        /// Error that the system call returned.
        why: io::Error,
    },
    /// Too many calls are already waiting.
    #[error(
        "too many calls are waiting in {}; find out why the repair_worker processes do not end",
        .0.display()
    )]
    Full(PathBuf),
    /// The arguments are too long.
    #[error("the arguments are longer than {LONGEST_CALL} bytes")]
    TooLong,
}

/// The directory with the waiting calls and the slots.
#[derive(Debug)]
pub struct CallQueue {
    directory: Directory,
    /// Maximum number of files for calls and slots.
    most: usize,
    /// Names of calls that were read from the directory but have not been tried yet, newest first.
    /// Calls are taken from the end, so the oldest one is taken first.
    listed: Vec<CallName>,
}

/// A slot that a worker holds while it runs. The slot is a locked file, which the worker inherits
/// as its standard input. Therefore the kernel frees the slot when the worker ends or dies.
#[derive(Debug)]
pub struct WorkerSlot(File);

impl WorkerSlot {
    /// Returns the slot as the standard input for a worker. That worker then holds the slot as
    /// well.
    pub fn share(&self) -> io::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }
}

/// The decision role. Dropping this value releases the role.
#[derive(Debug)]
pub struct DecisionRole {
    _lock: File,
}

/// The name of a waiting call's file: the time of the call in nanoseconds since 1970, the job ID,
/// and how many times workers have tried to answer the call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CallName {
    nanoseconds: u64,
    job: JobId,
    tries: u32,
}

impl CallName {
    fn parse(name: &OsStr) -> Option<CallName> {
        let mut parts = name.to_str()?.split('.');
        let parsed = CallName {
            nanoseconds: parts.next()?.parse().ok()?,
            job: parts.next()?.parse().ok()?,
            tries: parts.next()?.parse().ok()?,
        };
        (parts.next().is_none() && parsed.to_name() == *name).then_some(parsed)
    }

    fn to_name(&self) -> OsString {
        format!("{}.{}.{}", self.nanoseconds, self.job, self.tries).into()
    }
}

/// A call that a worker has taken. The worker must remove the call once its result is recorded.
/// While this value exists, no other worker can take the call. If the worker dies, another worker
/// takes the call.
#[derive(Debug)]
pub struct TakenCall {
    /// Job ID that the handler assigned.
    pub job: JobId,
    /// When the handler was called.
    pub at: SystemTime,
    /// Number of workers that took this call earlier and died.
    pub deaths: u32,
    name: OsString,
    _lock: File,
}

impl CallQueue {
    /// Opens the queue of this server. `local` is the common prefix of the paths of this server's
    /// own files, see [`LedgerConfig::local`](policy_file::LedgerConfig::local). Creates the
    /// queue's directory if it does not exist.
    ///
    /// # Errors
    /// Fails if another account can change the directory or one above it, or if a system call
    /// fails.
    pub fn open(local: &Path) -> Result<CallQueue, QueueError> {
        let path = local.with_added_extension("queue");
        let directory = match Directory::open(&path) {
            Err(why) if why.kind() == ErrorKind::NotFound => create(&path)?,
            opened => opened?,
        };
        Ok(CallQueue { directory, most: MOST_WAITING + SLOTS, listed: Vec::new() })
    }

    /// Adds a call. A worker can take it as soon as this function returns.
    ///
    /// # Errors
    /// Fails if the queue is full, or if the call is too long or cannot be written.
    pub fn add(&self, job: &JobId, policy: &Path, argv: &[OsString]) -> Result<(), QueueError> {
        let words = argv.iter().map(|word| word.as_bytes());
        let words: Vec<&[u8]> =
            std::iter::once(policy.as_os_str().as_bytes()).chain(words).collect();
        // Separate the path and the arguments with NUL bytes, which none of them can contain.
        let content = words.join(&0);
        if content.len() as u64 > LONGEST_CALL {
            return Err(QueueError::TooLong);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or_default();
        if self.is_full(nanoseconds.is_multiple_of(COUNT_EVERY))? {
            return Err(QueueError::Full(self.directory.path().to_owned()));
        }
        let name = CallName { nanoseconds, job: job.clone(), tries: 0 }.to_name();
        let mut draft = OsString::from(DRAFT);
        draft.push(&name);
        let mut file = self.directory.create_new(&draft, 0o600)?;
        let written = file.write_all(&content).map_err(|why| self.error(why));
        let added = written.and_then(|()| Ok(self.directory.rename(&draft, &name)?));
        added.inspect_err(|_| drop(self.directory.remove(&draft)))
    }

    /// Whether too many calls are waiting. Counting them takes a millisecond, so only some handlers
    /// count. A handler that finds too many creates the file [`FULL`]. While this file exists,
    /// every handler counts, so that one of them removes the file as soon as the queue has drained.
    fn is_full(&self, count: bool) -> Result<bool, QueueError> {
        let was_full = self.directory.metadata(FULL).is_ok();
        if !count && !was_full {
            return Ok(false);
        }
        let is_full = self.directory.names()?.nth(self.most).is_some();
        match (was_full, is_full) {
            (false, true) => drop(self.directory.open_or_create(FULL, 0o600)?),
            // Another handler may have removed the file already.
            (true, false) => drop(self.directory.remove(FULL)),
            (false, false) | (true, true) => {}
        }
        Ok(is_full)
    }

    /// Removes the job's call. Returns false if a worker has already taken it.
    pub fn withdraw(&mut self, job: &JobId) -> bool {
        let mut is_removed = false;
        while let Ok(Some(call)) = self.take_if(|name| name.job == *job) {
            self.remove(call);
            is_removed = true;
        }
        is_removed
    }

    /// Takes the decision role, or returns `None` if another worker has it.
    ///
    /// # Errors
    /// Fails if the role's file cannot be opened or locked. Also fails if processes without the
    /// role keep the file locked for ten seconds.
    pub fn role(&self) -> Result<Option<DecisionRole>, QueueError> {
        let file = self.directory.open_or_create(ROLE, 0o600)?;
        let until = Instant::now() + PROBE_TIME;
        while !self.locked(file.try_lock())? {
            // If a shared lock succeeds, no worker has the role, and the exclusive lock failed only
            // because [`CallQueue::has_decider`] briefly holds a shared lock, too. So try again.
            if !self.locked(file.try_lock_shared())? {
                return Ok(None);
            }
            file.unlock().map_err(|why| self.error(why))?;
            if Instant::now() > until {
                return Err(self.error(ErrorKind::TimedOut.into()));
            }
            thread::sleep(PROBE_PAUSE);
        }
        Ok(Some(DecisionRole { _lock: file }))
    }

    /// Whether a worker has the decision role.
    ///
    /// # Errors
    /// Fails if the role's file cannot be opened or locked.
    pub fn has_decider(&self) -> Result<bool, QueueError> {
        let file = self.directory.open_or_create(ROLE, 0o600)?;
        Ok(!self.locked(file.try_lock_shared())?)
    }

    /// Takes a free slot, or returns `None` if [`SLOTS`] workers are running.
    ///
    /// # Errors
    /// Fails if a slot cannot be opened or locked.
    pub fn free_slot(&self) -> Result<Option<WorkerSlot>, QueueError> {
        for number in 0..SLOTS {
            let file = self.directory.open_or_create(format!("slot-{number:02}"), 0o600)?;
            if self.locked(file.try_lock())? {
                return Ok(Some(WorkerSlot(file)));
            }
        }
        Ok(None)
    }

    /// Returns the slot that this worker inherited as its standard input.
    ///
    /// # Errors
    /// Fails if the standard input is closed.
    pub fn own_slot(&self) -> Result<WorkerSlot, QueueError> {
        let own = io::stdin().as_fd().try_clone_to_owned();
        own.map(|slot| WorkerSlot(slot.into())).map_err(|why| self.error(why))
    }

    /// Takes the oldest call that no other worker has taken, or returns `None` if there is none.
    ///
    /// # Errors
    /// Fails if the directory cannot be read or written.
    pub fn take(&mut self) -> Result<Option<TakenCall>, QueueError> {
        self.take_if(|_| true)
    }

    fn take_if(
        &mut self,
        wanted: impl Fn(&CallName) -> bool,
    ) -> Result<Option<TakenCall>, QueueError> {
        for is_new in [false, true] {
            if is_new {
                self.list()?;
            }
            while let Some(name) = self.listed.pop() {
                if wanted(&name)
                    && let Some(call) = self.lock(&name)?
                {
                    return Ok(Some(call));
                }
            }
        }
        Ok(None)
    }

    /// Returns the absolute path of the policy, and the arguments of `handle_repair`.
    ///
    /// # Errors
    /// Fails if the file is too large, is not a regular file, or cannot be read.
    pub fn read(&self, call: &TakenCall) -> Result<(PathBuf, Vec<OsString>), QueueError> {
        let content = self.directory.read(&call.name, LONGEST_CALL)?;
        let mut words =
            content.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.into()));
        let policy = words.next().unwrap_or_default().into();
        Ok((policy, words.collect()))
    }

    /// Removes a call that has been answered.
    pub fn remove(&self, call: TakenCall) {
        // Ignore errors. If the file stays, a later worker finds that the result is already
        // recorded.
        let _ = self.directory.remove(&call.name);
    }

    /// Whether the queue contains a call that no worker has taken.
    ///
    /// # Errors
    /// Fails if the directory cannot be read.
    pub fn has_waiting(&self) -> Result<bool, QueueError> {
        for name in self.directory.names()? {
            let name = name?;
            if CallName::parse(&name).is_some()
                && self.directory.open_file(&name).is_ok_and(|file| file.try_lock_shared().is_ok())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lists the waiting calls. Removes incompletely written calls that dead handlers have left
    /// behind.
    fn list(&mut self) -> Result<(), QueueError> {
        let is_ours = |name: &Result<OsString, FileError>| {
            let is_draft = |name: &OsString| name.as_bytes().starts_with(DRAFT.as_bytes());
            name.as_ref().is_ok_and(|name| is_draft(name) || CallName::parse(name).is_some())
        };
        let names: Result<Vec<OsString>, FileError> =
            self.directory.names()?.filter(is_ours).take(self.most).collect();
        let names = names?;
        for draft in names.iter().filter(|name| name.as_bytes().starts_with(DRAFT.as_bytes())) {
            let found = self.directory.metadata(draft);
            let written = found.ok().and_then(|found| found.modified().ok()?.elapsed().ok());
            if written.is_some_and(|age| age > DRAFT_TIME) {
                let _ = self.directory.remove(draft);
            }
        }
        self.listed = names.iter().filter_map(|name| CallName::parse(name)).collect();
        self.listed.sort_unstable_by(|one, other| other.cmp(one));
        Ok(())
    }

    /// Locks a call and counts this attempt in the call's file name. Returns `None` if another
    /// worker has taken or answered the call.
    fn lock(&self, old: &CallName) -> Result<Option<TakenCall>, QueueError> {
        let Ok(file) = self.directory.open_file(old.to_name()) else { return Ok(None) };
        if !self.locked(file.try_lock())? || file.metadata().is_ok_and(|found| found.nlink() == 0) {
            return Ok(None);
        }
        let new = CallName { tries: old.tries.saturating_add(1), ..old.clone() }.to_name();
        match self.directory.rename(old.to_name(), &new) {
            // Before this worker locked the file, another worker renamed it and died.
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            renamed => renamed?,
        }
        let at = UNIX_EPOCH + Duration::from_nanos(old.nanoseconds);
        Ok(Some(TakenCall { job: old.job.clone(), at, deaths: old.tries, name: new, _lock: file }))
    }

    /// Whether the attempt to lock a file succeeded. Returns false if another process holds the
    /// lock.
    fn locked(&self, tried: Result<(), TryLockError>) -> Result<bool, QueueError> {
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(why)) => Err(self.error(why)),
        }
    }

    fn error(&self, why: io::Error) -> QueueError {
        QueueError::Io { path: self.directory.path().to_owned(), why }
    }
}

fn create(path: &Path) -> Result<Directory, FileError> {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        match Directory::open(parent)?.create_dir(name, 0o700) {
            // Another handler has just created the directory.
            Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
            created => return created,
        }
    }
    Directory::open(path)
}

#[cfg(test)]
mod tests;
