//! Locks beside the ledger, all of the kernel, which frees them when their holder dies, however it
//! dies: one that handlers queue on, one for each job while its worker lives, and one for the only
//! sweep.

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

use crate::Error;

/// How long a reservation waits for one that does not end; each holds the lock for a few
/// milliseconds.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(20);

/// Waits until it is our turn to decide, in a queue of the kernel, which wakes one of us at a time:
/// a thousand handlers may stand in it. However long it is, it is waited for as long as it moves
/// on.
pub(super) fn turn(ledger: &Path) -> Result<File, Error> {
    let path = ledger.with_added_extension("turn");
    let unusable = |why| Error::Directory { path: path.clone(), why };
    let file = private_file(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => return ours(file).map_err(unusable),
        Err(TryLockError::Error(why)) => return Err(unusable(why)),
        Err(TryLockError::WouldBlock) => {}
    }
    let (turn, come) = mpsc::channel();
    let queued = file.try_clone().map_err(unusable)?;
    let wait = move || turn.send(queued.lock().map(|()| queued));
    thread::Builder::new().spawn(wait).map_err(unusable)?;
    let (mut moved, mut since) =
        (file.metadata().and_then(|is| is.modified()).ok(), Instant::now());
    loop {
        match come.recv_timeout(Duration::from_secs(1)) {
            Ok(locked) => return locked.and_then(ours).map_err(unusable),
            Err(_) if since.elapsed() > LOCK_WAIT => {
                return Err(Error::Busy { path: ledger.to_owned(), waited: LOCK_WAIT });
            }
            Err(_) => {
                let now = file.metadata().and_then(|is| is.modified()).ok();
                if now != moved {
                    (moved, since) = (now, Instant::now());
                }
            }
        }
    }
}

/// Whose turn it is shows that the queue moves on.
fn ours(turn: File) -> io::Result<File> {
    turn.set_modified(SystemTime::now())?;
    Ok(turn)
}

/// The lock of a living worker. Nagios' service manager may kill a worker with Nagios; whoever
/// comes next then sees it.
#[derive(Debug)]
pub(super) struct Alive {
    path: PathBuf,
    _locked: File,
}

impl Alive {
    /// Held from before the job is on record.
    pub(super) fn hold(ledger: &Path, job: &JobId) -> Result<Alive, Error> {
        let path = place(ledger, job.as_str());
        let unusable = |why| Error::Directory { path: path.clone(), why };
        make_directory(directory_of(&path)).map_err(unusable)?;
        let file = private_file(&path).map_err(unusable)?;
        file.lock().map_err(unusable)?;
        Ok(Alive { path, _locked: file })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the worker of a job still lives. When that cannot be told, it does.
pub(super) fn is_alive(ledger: &Path, job: &str) -> bool {
    match File::open(place(ledger, job)) {
        Ok(file) => file.try_lock_shared().is_err(),
        Err(why) => why.kind() != ErrorKind::NotFound,
    }
}

/// Removes what a dead worker left.
pub(super) fn forget(ledger: &Path, job: &str) {
    if !is_alive(ledger, job) {
        let _ = fs::remove_file(place(ledger, job));
    }
}

/// The right to sweep: one sweep at a time.
#[derive(Debug)]
pub struct Sweeping {
    _locked: File,
}

impl Sweeping {
    /// Takes it for the sweep of this ledger; `None` when another one is at it.
    pub fn begin(ledger: &Path) -> Result<Option<Sweeping>, Error> {
        let path = ledger.with_added_extension("sweep");
        let unusable = |why| Error::Directory { path: path.clone(), why };
        let file = private_file(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Sweeping { _locked: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) => Err(unusable(why)),
        }
    }
}

fn place(ledger: &Path, job: &str) -> PathBuf {
    ledger.with_added_extension("jobs").join(job)
}

/// The directory a file is in.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// For us alone.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags(OFlags::NOFOLLOW)).open(path).map_err(no_link)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() > 1 {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is no plain file, or has another name as well",
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

/// What open(2) says of a link that is not to be followed is no help.
fn no_link(why: io::Error) -> io::Error {
    match why.raw_os_error() == Some(Errno::LOOP.raw_os_error())
        || why.kind() == ErrorKind::NotADirectory
    {
        true => {
            io::Error::new(ErrorKind::InvalidInput, "no link may be here, only what was made here")
        }
        false => why,
    }
}
