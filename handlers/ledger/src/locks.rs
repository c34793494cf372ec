//! The lock files next to the ledger. The kernel releases a lock when the process that holds it
//! dies. A process holds the decision lock while it decides whether to repair. A worker holds the
//! lock of its job. The sweep lock lets only one sweep run at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use policy::JobId;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::{Error, RungSession};

/// How long a reservation waits for another process that holds the lock and makes no progress. A
/// reservation normally holds the lock for a few milliseconds.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(20);

/// The lock that a process must hold while it decides whether to repair. Processes that want the
/// lock wait in a queue of the kernel, which wakes one of them at a time.
#[derive(Debug)]
pub(crate) struct DecisionLock {
    locked: File,
}

impl DecisionLock {
    /// Acquires the lock. A thousand processes can be waiting for it, so this function waits as
    /// long as other processes make progress. It fails with [`Error::Busy`] if the process that
    /// holds the lock makes no progress for [`LOCK_WAIT`].
    pub(crate) fn acquire(ledger: &Path) -> Result<DecisionLock, Error> {
        let path = ledger.with_added_extension("turn");
        let unusable = |why| Error::Directory { path: path.clone(), why };
        let file = private_file(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => return DecisionLock::of(file).map_err(unusable),
            Err(TryLockError::Error(why)) => return Err(unusable(why)),
            Err(TryLockError::WouldBlock) => {}
        }
        let (sender, locked) = mpsc::channel();
        let queued = file.try_clone().map_err(unusable)?;
        let wait = move || sender.send(queued.lock().map(|()| queued));
        thread::Builder::new().spawn(wait).map_err(unusable)?;
        let modified = || file.metadata().and_then(|found| found.modified()).ok();
        let (mut moved, mut since) = (modified(), Instant::now());
        loop {
            match locked.recv_timeout(Duration::from_secs(1)) {
                Ok(locked) => return locked.and_then(DecisionLock::of).map_err(unusable),
                Err(_) if since.elapsed() > LOCK_WAIT => {
                    return Err(Error::Busy { path: ledger.to_owned(), waited: LOCK_WAIT });
                }
                Err(_) => {
                    let now = modified();
                    if now != moved {
                        (moved, since) = (now, Instant::now());
                    }
                }
            }
        }
    }

    /// Updates the modification time of the lock file, which shows waiting processes that this
    /// process is making progress.
    pub(crate) fn show_progress(&self) {
        let _ = self.locked.set_modified(SystemTime::now());
    }

    fn of(locked: File) -> io::Result<DecisionLock> {
        locked.set_modified(SystemTime::now())?;
        Ok(DecisionLock { locked })
    }
}

/// The lock that a worker holds while it is alive. The supervisor of the worker's local rung holds
/// the lock too. If both die, for example because a service manager kills them together with
/// Nagios, the kernel releases the lock. The next worker then finds the lock free and knows that
/// both are dead.
#[derive(Debug)]
pub(crate) struct WorkerLock {
    path: PathBuf,
    locked: File,
    is_shared: bool,
}

impl WorkerLock {
    /// Acquires the lock of a job that has not been recorded yet.
    pub(crate) fn acquire(ledger: &Path, job: &JobId) -> Result<WorkerLock, Error> {
        let path = lock_path(ledger, job.as_str());
        let unusable = |why| Error::Directory { path: path.clone(), why };
        make_directory(directory_of(&path)).map_err(unusable)?;
        let file = private_file(&path).map_err(unusable)?;
        file.lock().map_err(unusable)?;
        Ok(WorkerLock { path, locked: file, is_shared: false })
    }

    /// Returns another handle to the lock file. The lock is held until both handles are closed.
    pub(crate) fn share(&mut self) -> Result<File, Error> {
        self.is_shared = true;
        let unusable = |why| Error::Directory { path: self.path.clone(), why };
        self.locked.try_clone().map_err(unusable)
    }
}

impl Drop for WorkerLock {
    /// Removes the lock file, unless the lock was shared with a supervisor that may still hold it.
    /// In that case, [`forget`] removes the file later.
    fn drop(&mut self) {
        if !self.is_shared {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether any process of a job is alive: its worker, the supervisor of its local rung, or a
/// process of that rung. Returns `true` if this cannot be determined.
pub(crate) fn is_alive(ledger: &Path, job: &str) -> bool {
    match open_lock(ledger, job) {
        Ok(file) => file.try_lock_shared().is_err() || is_session_running(&file),
        Err(why) => why.kind() != ErrorKind::NotFound,
    }
}

/// Opens the lock file of a job for reading. Does not block if the path is a FIFO. Opens nothing
/// outside the directory of the lock files, even if the ledger contains a forged job ID.
fn open_lock(ledger: &Path, job: &str) -> io::Result<File> {
    if job.contains('/') || job.starts_with('.') {
        return Err(ErrorKind::NotFound.into());
    }
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags(OFlags::NONBLOCK | OFlags::NOFOLLOW));
    options.open(lock_path(ledger, job))
}

/// Returns the ID of a job that is still alive, if there is one. This includes jobs of older
/// versions, which use the same lock files.
pub(crate) fn any_alive(ledger: &Path) -> Result<Option<String>, Error> {
    let directory = jobs_directory(ledger);
    let unusable = |why| Error::Directory { path: directory.clone(), why };
    let entries = match fs::read_dir(&directory) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(unusable)?,
    };
    for entry in entries {
        let job = entry.map_err(unusable)?.file_name().to_string_lossy().into_owned();
        if is_alive(ledger, &job) {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// Removes the lock file of a job whose processes are all dead.
pub(crate) fn forget(ledger: &Path, job: &str) {
    if !is_alive(ledger, job) {
        let _ = fs::remove_file(lock_path(ledger, job));
    }
}

fn is_session_running(lock: &File) -> bool {
    RungSession::recorded(lock).map_or(true, |session| session.is_some_and(|one| one.is_running()))
}

/// Returns the recorded session of a job if the job's worker and supervisor are dead. No process
/// then enforces the deadline of the session.
pub(crate) fn orphan(ledger: &Path, job: &str) -> Option<RungSession> {
    let file = open_lock(ledger, job).ok()?;
    file.try_lock_shared().ok()?;
    RungSession::recorded(&file).ok()?
}

/// Acquires the sweep lock. Returns `None` if another sweep holds it.
pub(crate) fn sweep(ledger: &Path) -> Result<Option<File>, Error> {
    let path = ledger.with_added_extension("sweep");
    let unusable = |why| Error::Directory { path: path.clone(), why };
    let file = private_file(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(why)) => Err(unusable(why)),
    }
}

fn jobs_directory(ledger: &Path) -> PathBuf {
    ledger.with_added_extension("jobs")
}

fn lock_path(ledger: &Path, job: &str) -> PathBuf {
    jobs_directory(ledger).join(job)
}

/// Returns the directory that contains `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a file for reading and writing, and creates it with mode 0600 if it does not exist.
/// Rejects symbolic links, files that are not regular and files with several hard links.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags(OFlags::NOFOLLOW)).open(path).map_err(no_link)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() > 1 {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "the file is not a regular file, or has more than one hard link",
        ));
    }
    Ok(file)
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(why),
        _ => {}
    }
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::DIRECTORY))
        .open(path);
    opened.map(drop).map_err(no_link)
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or_default()
}

/// Replaces the error that open(2) returns for a symbolic link, because that error does not explain
/// the problem.
fn no_link(why: io::Error) -> io::Error {
    match why.raw_os_error() == Some(Errno::LOOP.raw_os_error())
        || why.kind() == ErrorKind::NotADirectory
    {
        true => io::Error::new(
            ErrorKind::InvalidInput,
            "the path is a symbolic link or has the wrong type",
        ),
        false => why,
    }
}

/// Checks that no other account can replace the ledger. An account that can delete the ledger can
/// replace it with one that has no history. In a directory with the sticky bit, only the owner of a
/// file can delete it.
pub(crate) fn check_directory(path: &Path) -> Result<(), Error> {
    let directory = directory_of(path);
    let unusable = |why| Error::Directory { path: directory.to_owned(), why };
    let found = fs::metadata(directory).map_err(unusable)?;
    let (shared, sticky) = (found.mode() & 0o022 != 0, found.mode() & 0o1000 != 0);
    let anothers = ![0, our_id()].contains(&found.uid());
    if (shared && !sticky) || anothers { Err(Error::Exposed(directory.to_owned())) } else { Ok(()) }
}

pub(crate) fn our_id() -> u32 {
    rustix::process::geteuid().as_raw()
}
