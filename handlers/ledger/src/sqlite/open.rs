//! Opens the ledger, or reports why it cannot be trusted.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::retention::INCREMENTAL;
use super::schema::{self, Schema};
use super::{SqliteLedger, WAL, migrate, store_error};
use crate::Error;
use crate::locks::{LOCK_WAIT, check_directory, directory_of, our_id, private_file};

/// Time limit for queries on a ledger that was opened read-only. A search restarts the limit for
/// each page, because its caller may have to wait for the terminal between pages.
const READ_TIME_LIMIT: Duration = Duration::from_secs(100);

impl SqliteLedger {
    /// Opens the ledger for writing. Creates it with mode 0600 if it does not exist.
    pub fn open(path: &Path) -> Result<SqliteLedger, Error> {
        match fs::symlink_metadata(path) {
            Err(why) if why.kind() == ErrorKind::NotFound => {
                check_directory(path)?;
                create(path)?;
            }
            _ => {}
        }
        let ledger = SqliteLedger::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Reservations, the starts of rungs, and outcomes must survive a power failure, so each of
        // these commits costs one fsync(2). Steps and refusals are written with `unflushed`
        // instead. SQLite makes a few more calls to fsync(2): one for the directory of the log, one
        // when it starts a new log, and two when the last process moves the log into the ledger.
        // Because the log is moved, the ledger is complete in one file. A copy of the file then has
        // all records, and a restored file is not mixed with another ledger's log.
        ledger.named(ledger.store.pragma_update(None, "synchronous", "FULL"))?;
        Ok(ledger)
    }

    /// Opens an existing ledger for reading only.
    pub fn open_read_only(path: &Path) -> Result<SqliteLedger, Error> {
        match fs::symlink_metadata(path) {
            Err(why) if why.kind() == ErrorKind::NotFound => {
                return Err(Error::Missing(path.to_owned()));
            }
            _ => {}
        }
        let mut ledger = SqliteLedger::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        ledger.limit_time()?;
        Ok(ledger)
    }

    /// Lets the next queries run for at most [`READ_TIME_LIMIT`], if the ledger was opened for
    /// reading only.
    pub(super) fn limit_time(&mut self) -> Result<(), Error> {
        let until = Instant::now() + READ_TIME_LIMIT;
        let is_late = move || Instant::now() >= until;
        let limited = match self.store.is_readonly(MAIN_DB) {
            Ok(true) => self.store.progress_handler(10_000, Some(is_late)),
            Ok(false) => Ok(()),
            Err(why) => Err(why),
        };
        self.named(limited)
    }

    /// Returns the file or directory that prevents this user from writing the ledger, if there is
    /// one. This can be the ledger's directory, the ledger itself, or a file next to the ledger
    /// that another account has created. Nothing is repaired in that case.
    pub fn unwritable(path: &Path) -> Option<PathBuf> {
        let closed = |place: &PathBuf| {
            !matches!(access(place, Access::WRITE_OK), Ok(()) | Err(Errno::NOENT))
        };
        let ends = ["", "-wal", "-shm", ".turn", ".jobs", ".sweep", ".queue", ".id", ".timeline"];
        let beside = ends.map(|end| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        });
        let places: Vec<PathBuf> =
            std::iter::once(directory_of(path).to_owned()).chain(beside).collect();
        retry(|| places.iter().find(|place| closed(place)).cloned(), Option::is_some)
    }

    fn connect(path: &Path, access: OpenFlags) -> Result<SqliteLedger, Error> {
        let closed = |tried: &Result<_, Error>| tried.as_ref().is_err_and(is_closed);
        retry(|| SqliteLedger::connect_once(path, access), closed)
            .map_err(|error| with_system_error(error, path))
    }

    fn connect_once(path: &Path, access: OpenFlags) -> Result<SqliteLedger, Error> {
        check_owner(path)?;
        check_directory(path)?;
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let store = Connection::open_with_flags(path, flags).map_err(store_error(path))?;
        store.busy_timeout(LOCK_WAIT).map_err(store_error(path))?;
        let found = schema::check(&store, path)?;
        let server = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let held = HashMap::new();
        let mut ledger = SqliteLedger { store, path: path.to_owned(), server, held };
        match (found, access == OpenFlags::SQLITE_OPEN_READ_WRITE) {
            (Schema::Current, _) => {}
            (Schema::First, true) => migrate::from_schema_1(&mut ledger.store, path)?,
            (Schema::First, false) => return Err(schema::older(path)),
        }
        Ok(ledger)
    }
}

fn is_closed(error: &Error) -> bool {
    let Error::Store { why, .. } = error else { return false };
    why.sqlite_error_code() == Some(ErrorCode::CannotOpen)
}

/// Replaces SQLite's "cannot open" with the error of the system call.
fn with_system_error(error: Error, file: &Path) -> Error {
    if !is_closed(&error) {
        return error;
    }
    // SQLite needs three descriptors, for the ledger, its log and its index. Open the ledger three
    // times to get the error of the system call.
    match (0..3).map(|_| File::open(file)).collect::<io::Result<Vec<_>>>() {
        Err(why) => Error::Directory { path: file.to_owned(), why },
        Ok(_) => error,
    }
}

/// How long to retry when a file is inaccessible. When root makes a backup with sqlite3(1), SQLite
/// creates its files next to the ledger as root and only then gives them to the owner of the
/// ledger.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// Repeats `attempt` until `is_closed` returns `false` for the result, for at most [`RETRY_TIME`].
fn retry<T>(attempt: impl Fn() -> T, is_closed: impl Fn(&T) -> bool) -> T {
    let until = Instant::now() + RETRY_TIME;
    loop {
        let seen = attempt();
        if !is_closed(&seen) || Instant::now() >= until {
            return seen;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Creates a complete ledger under a temporary name and links it to `path`. No process ever sees an
/// incomplete ledger, and if two processes create a ledger at the same time, both use the one that
/// was linked first.
fn create(path: &Path) -> Result<(), Error> {
    let directory = directory_of(path);
    let unusable = |why| Error::Directory { path: directory.to_owned(), why };
    let draft = path.with_added_extension(format!(
        "new-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    private_file(&draft).map_err(unusable)?;
    let written = write_schema(&draft)
        .map_err(store_error(path))
        .map_err(|error| with_system_error(error, &draft));
    let made = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => Err(unusable(why)),
        _ => Ok(()),
    });
    fs::remove_file(&draft).map_err(unusable)?;
    made
}

fn write_schema(draft: &Path) -> rusqlite::Result<()> {
    let store = Connection::open_with_flags(
        draft,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW,
    )?;
    // With this setting, the sweep can return unused space to the file system. SQLite accepts the
    // setting only before anything is written.
    store.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    store.execute_batch(WAL)?;
    schema::write(&store)?;
    store.close().map_err(|(_, why)| why)
}

/// Checks that only root and our user can write to the ledger. A forged history could allow repairs
/// that the policy forbids.
fn check_owner(path: &Path) -> Result<(), Error> {
    let unreadable = |why| Error::Directory { path: path.to_owned(), why };
    let found = fs::symlink_metadata(path).map_err(unreadable)?;
    let us = our_id();
    if !found.is_file() {
        return Err(Error::NoFile(path.to_owned()));
    }
    if found.mode() & 0o022 != 0 {
        return Err(Error::Writable(path.to_owned()));
    }
    match found.uid() {
        owner if owner == us || owner == 0 => Ok(()),
        owner => Err(Error::Owner { path: path.to_owned(), owner, us }),
    }
}
