//! Why the ledger cannot be used. In every case nothing is repaired.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rustix::io::Errno;

/// A ledger that cannot be trusted or written. The next step is in the message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there, though it should be.
    #[error("the ledger {0} does not exist yet; the first repair creates it")]
    Missing(PathBuf),
    /// The directory, or a file in it, is missing or may not be written.
    #[error("{path} cannot be used for the ledger: {why}; {}", of_directory(why))]
    Directory {
        /// The directory, or the file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Somebody who is neither root nor us could have written it.
    #[error(
        "the ledger {path} belongs to uid {owner}, not to us (uid {us}) or root: its history is \
         not believed; run this as root or as the user \
         Nagios runs as, and if that is uid {us}, find out who made the file before you give it to \
         that user"
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user we run as.
        us: u32,
    },
    /// Another program's database, or no database.
    #[error(
        "{0} is not a ledger of nagios-selfheal: it is never reset by itself; check the path in \
         the policy, or move the file away"
    )]
    Foreign(PathBuf),
    /// A pipe would be waited for, and a link leads to what somebody else may own.
    #[error(
        "the ledger {0} is a link, or no plain file: name the file itself in the policy, or move \
         this away"
    )]
    NoFile(PathBuf),
    /// Written by a newer version of these programs.
    #[error(
        "the ledger {path} has schema {found}, newer than {known}, the newest that this program \
         knows: upgrade the package{}",
        way_back(path, backup.as_deref())
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
        /// The copy that the newer version made of a ledger of ours, if it is there.
        backup: Option<PathBuf>,
    },
    /// Written by an older version of these programs, and opened only to be read.
    #[error(
        "the ledger {path} has schema {found} of an older version; the next repair migrates it to \
         schema {known}, and so does `repairctl ledger migrate`"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
        /// The copy that the migration will keep.
        backup: PathBuf,
    },
    /// A worker of the older version is still repairing: its records would be lost.
    #[error(
        "job {job} of an older version is still running: the ledger {path} is migrated after it \
         ends, and until then no repair begins"
    )]
    WorkerAtWork {
        /// The file.
        path: PathBuf,
        /// The job.
        job: String,
    },
    /// Others could have changed it.
    #[error(
        "the ledger {0} can be written by others: its history cannot be trusted; {next}",
        next = DOCTOR
    )]
    Writable(PathBuf),
    /// Others could take the ledger away, and its history with it.
    #[error(
        "the ledger's directory {0} is for others to write too: its history cannot be trusted; {next}",
        next = DOCTOR
    )]
    Exposed(PathBuf),
    /// Somebody has held the lock for too long.
    #[error("the ledger {path} has been locked by others for {} s: nothing is decided; is a \
             stopped repair_worker holding it?", .waited.as_secs())]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long we have waited.
        waited: std::time::Duration,
    },
    /// Any other failure of the store: full or read-only disk, damage, a lock held for too long.
    #[error("the ledger {path} cannot be used: {why}; {}", of_store(why.sqlite_error_code()))]
    Store {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        why: rusqlite::Error,
    },
    /// A job that is not on record, or has ended already.
    #[error("the ledger {path} has no running job {job}")]
    NoSuchJob {
        /// The file.
        path: PathBuf,
        /// The job.
        job: String,
    },
}

const FULL: &str =
    "free some space on its disk: what is on record stays, and what cannot be recorded is not done";
const LIMITS: &str = "raise the limits of what started this program (ulimit -n and -f, \
                      LimitNOFILE= and LimitFSIZE=)";
const READ_ONLY: &str = "mount its disk read-write again";
/// The user may be the wrong one, and not the files: an admin without sudo must not be told to
/// take them from Nagios.
const NOT_OURS: &str = "it is for root and the user Nagios runs as: run this as one of them, or, \
                        if it is that user, `repairctl doctor` as root names the fix";
/// Commands for root come from root's half alone: this text may come from the user's.
const DOCTOR: &str = "`repairctl doctor` as root names the fix";

/// Quotes a path for the shell that a command is pasted into.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// How to go on with the older version: what SQLite keeps beside the newer ledger must not be taken
/// for the copy's.
fn way_back(path: &Path, backup: Option<&Path>) -> String {
    backup.map_or_else(String::new, |backup| {
        let beside = |end| shell_word(Path::new(&format!("{}{end}", path.display())));
        format!(
            ", or go back, without what was recorded since, when no program uses the ledger, as the \
             user Nagios runs as: rm -f {} {} && mv {} {}",
            beside("-wal"),
            beside("-shm"),
            shell_word(backup),
            shell_word(path)
        )
    })
}

/// The next step, when the directory or a file beside the ledger cannot be used.
fn of_directory(why: &io::Error) -> &'static str {
    match why.kind() {
        _ if is_shortage(why) => LIMITS,
        ErrorKind::FileTooLarge => LIMITS,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FULL,
        ErrorKind::ReadOnlyFilesystem => READ_ONLY,
        ErrorKind::PermissionDenied => NOT_OURS,
        ErrorKind::InvalidInput => "look who put it there, and remove it",
        ErrorKind::NotFound => DOCTOR,
        _ => "look at it and at its disk",
    }
}

/// It is this process, or this machine, that has no more descriptors or memory.
fn is_shortage(why: &io::Error) -> bool {
    matches!(Errno::from_io_error(why), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

impl Error {
    /// Whether this process lacks something, and the ledger may be as good as ever.
    pub fn is_our_shortage(&self) -> bool {
        matches!(self, Error::Directory { why, .. } if is_shortage(why))
    }
}

impl Error {
    /// Whether the file is damaged, and can only be replaced.
    pub fn is_damage(&self) -> bool {
        let code = match self {
            Error::Store { why, .. } => why.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

/// The next step, when SQLite cannot use the file.
fn of_store(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::DiskFull) => FULL,
        Some(ErrorCode::ReadOnly) => {
            "make it, its directory and its disk writable again for the user Nagios runs as"
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => NOT_OURS,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "it is damaged, and never reset by itself: put a copy of it back, or move it away, and \
             with it what is known of earlier \
             repairs"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "look at its disk, and at the limit on file sizes (ulimit -f, LimitFSIZE=)"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "find out who holds it, a backup or a stopped repair_worker"
        }
        _ => "look at it and at its disk",
    }
}
