//! Opening the ledger, or saying why it cannot be trusted.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::SqliteLedger;
use super::locks::{LOCK_WAIT, directory_of, private_file};
use crate::Error;

/// Marks a SQLite file as ours ("SHL1"), see SQLite's `PRAGMA application_id`.
const APPLICATION_ID: i64 = 0x5348_4c31;
/// The schema this program writes.
const SCHEMA: i64 = 1;
const SCHEMA_SQL: &str = include_str!("schema.sql");
/// How long somebody may look, all queries together.
const LOOKING: Duration = Duration::from_secs(100);

impl SqliteLedger {
    /// Opens the ledger for writing; the first repair creates it, mode 0600.
    pub fn open(path: &Path) -> Result<SqliteLedger, Error> {
        match fs::symlink_metadata(path) {
            Err(why) if why.kind() == ErrorKind::NotFound => {
                check_directory(path)?;
                create(path)?;
            }
            _ => {}
        }
        let ledger = SqliteLedger::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // A reservation must survive a power cut: that costs one fsync.
        ledger
            .store
            .pragma_update(None, "synchronous", "FULL")
            .map_err(SqliteLedger::failed(path))?;
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
        let until = Instant::now() + LOOKING;
        let is_late = move || Instant::now() >= until;
        ledger.store.progress_handler(10_000, Some(is_late)).map_err(SqliteLedger::failed(path))?;
        Ok(ledger)
    }

    /// What keeps this user from writing the ledger, though it may read it: its directory, or a
    /// file beside it that somebody else has left. Then nothing is repaired.
    pub fn shut_out(path: &Path) -> Option<PathBuf> {
        let closed = |place: &PathBuf| {
            !matches!(access(place, Access::WRITE_OK), Ok(()) | Err(Errno::NOENT))
        };
        let beside = ["", "-wal", "-shm", ".turn", ".jobs", ".sweep"].map(|end| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        });
        let places: Vec<PathBuf> =
            std::iter::once(directory_of(path).to_owned()).chain(beside).collect();
        patiently(|| places.iter().find(|place| closed(place)).cloned(), Option::is_some)
    }

    fn connect(path: &Path, access: OpenFlags) -> Result<SqliteLedger, Error> {
        let closed = |tried: &Result<_, Error>| tried.as_ref().is_err_and(is_closed);
        patiently(|| SqliteLedger::connect_once(path, access), closed)
            .map_err(|error| explained(error, path))
    }

    fn connect_once(path: &Path, access: OpenFlags) -> Result<SqliteLedger, Error> {
        check_owner(path)?;
        check_directory(path)?;
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let store = Connection::open_with_flags(path, flags).map_err(SqliteLedger::failed(path))?;
        store.busy_timeout(LOCK_WAIT).map_err(SqliteLedger::failed(path))?;
        check_schema(&store, path)?;
        Ok(SqliteLedger { store, path: PathBuf::from(path), alive: HashMap::new() })
    }
}

fn is_closed(error: &Error) -> bool {
    matches!(error, Error::Store { why, .. } if why.sqlite_error_code() == Some(ErrorCode::CannotOpen))
}

/// Replaces SQLite's "cannot open" with the system's reason.
fn explained(error: Error, file: &Path) -> Error {
    if !is_closed(&error) {
        return error;
    }
    // SQLite needs three descriptors: the ledger, its log and its index.
    match (0..3).map(|_| File::open(file)).collect::<io::Result<Vec<_>>>() {
        Err(why) => Error::Directory { path: file.to_owned(), why },
        Ok(_) => error,
    }
}

/// A backup by root's sqlite3(1) makes SQLite's files beside a ledger anew, and SQLite gives them
/// to the ledger's owner in a second step: what is closed to us may be open in a moment.
const PATIENCE: Duration = Duration::from_secs(1);

fn patiently<T>(look: impl Fn() -> T, is_closed: impl Fn(&T) -> bool) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if !is_closed(&seen) || Instant::now() >= until {
            return seen;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a whole ledger beside the place and links it there, so that nobody ever meets half of one
/// and of two first repairs one wins.
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
        .map_err(SqliteLedger::failed(path))
        .map_err(|error| explained(error, &draft));
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
    // With a write-ahead log readers never hold up a reservation. Set once, it stays with the file.
    store.pragma_update(None, "journal_mode", "WAL")?;
    store.execute_batch(SCHEMA_SQL)?;
    store.pragma_update(None, "application_id", APPLICATION_ID)?;
    store.pragma_update(None, "user_version", SCHEMA)?;
    store.close().map_err(|(_, why)| why)
}

/// An empty file is no ledger either: whoever emptied it has also emptied the history.
fn check_schema(store: &Connection, path: &Path) -> Result<(), Error> {
    let number = |name| match store.pragma_query_value(None, name, |row| row.get::<_, i64>(0)) {
        Err(why) if why.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(Error::Foreign(path.to_owned()))
        }
        read => read.map_err(SqliteLedger::failed(path)),
    };
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, SCHEMA) if is_ours(store).map_err(SqliteLedger::failed(path))? => Ok(()),
        (APPLICATION_ID, found) if found > SCHEMA => {
            Err(Error::Newer { path: path.to_owned(), found, known: SCHEMA })
        }
        _ => Err(Error::Foreign(path.to_owned())),
    }
}

/// Whether the file has our tables and indexes and nothing else: a view in place of a table, or a
/// trigger on one, would run whatever its author wrote in every query of ours. SQLite keeps each
/// statement as it was given (<https://sqlite.org/schematab.html>).
fn is_ours(store: &Connection) -> rusqlite::Result<bool> {
    let sql =
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_stat?'";
    let found: Vec<String> =
        store.prepare(sql)?.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let statements = SCHEMA_SQL.matches("CREATE ").count();
    Ok(found.len() == statements && found.iter().all(|statement| SCHEMA_SQL.contains(statement)))
}

/// History that somebody else could write or delete could make a repair bolder than the policy.
fn check_owner(path: &Path) -> Result<(), Error> {
    let unreadable = |why| Error::Directory { path: path.to_owned(), why };
    let found = fs::symlink_metadata(path).map_err(unreadable)?;
    let us = us();
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

/// Who may delete a history may begin a new one. In a directory with the sticky bit nobody deletes
/// what is another's.
fn check_directory(path: &Path) -> Result<(), Error> {
    let directory = directory_of(path);
    let unusable = |why| Error::Directory { path: directory.to_owned(), why };
    let found = fs::metadata(directory).map_err(unusable)?;
    let (shared, sticky) = (found.mode() & 0o022 != 0, found.mode() & 0o1000 != 0);
    let anothers = ![0, us()].contains(&found.uid());
    if (shared && !sticky) || anothers { Err(Error::Exposed(directory.to_owned())) } else { Ok(()) }
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}
