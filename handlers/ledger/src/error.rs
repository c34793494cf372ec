//! Errors from the ledger. When the ledger cannot be used, nothing is repaired.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ErrorCode;
use rustix::io::Errno;

use crate::server_fault::ServerFault;

/// Why the ledger could not be opened, read or written. Most messages end with what to do next.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum Error {
    /// The ledger file does not exist. Opening it for reading does not create it.
    #[error("the ledger {0} does not exist yet; the first repair creates it")]
    Missing(PathBuf),
    /// The ledger's directory, or a file in it, is missing or not writable.
    #[error("{path} cannot be used for the ledger: {why}; {}", of_directory(why))]
    Directory {
        /// Path of the directory or file that cannot be used.
        path: PathBuf,
        why: io::Error,
    },
    /// The ledger file belongs to an account other than root and our effective user.
    #[error(
        "the ledger {path} belongs to uid {owner}, not to this user (uid {us}) or root: its \
         history cannot be trusted; run this program as root or as the user Nagios runs as; if \
         that user is uid {us}, find out who made the file before you change its owner"
    )]
    Owner { path: PathBuf, owner: u32, us: u32 },
    /// The file is another program's database, or not a database at all.
    #[error(
        "{0} is not a ledger of nagios-selfheal, and no program overwrites it; check the path \
         in the policy, or move the file away"
    )]
    Foreign(PathBuf),
    /// The path is a symbolic link, a directory, a FIFO or a device. Such a path is refused,
    /// because opening a FIFO can block, and the target of a link can belong to another account.
    #[error(
        "the ledger {0} is a symbolic link or not a regular file; name the file itself in the \
         policy, or move it away"
    )]
    NoFile(PathBuf),
    /// A newer version of these programs wrote the ledger.
    #[error(
        "the ledger {path} has schema {found}, but this program knows only schema {known}; \
         upgrade the package{}",
        way_back(path, backup.as_deref())
    )]
    Newer {
        path: PathBuf,
        found: i64,
        /// Newest schema version that this program can use.
        known: i64,
        /// Path of the copy that the newer version made before it migrated the ledger; `None` if
        /// there is none.
        backup: Option<PathBuf>,
    },
    /// An older version of these programs wrote the ledger. Opening it for reading does not migrate
    /// it.
    #[error(
        "the ledger {path} has schema {found} from an older version; the next repair or the \
         command `repairctl ledger migrate` migrates it to schema {known}"
    )]
    Older {
        path: PathBuf,
        found: i64,
        /// Schema version that this program uses.
        known: i64,
        /// Path of the copy that the migration will keep.
        backup: PathBuf,
    },
    /// A worker of an older version is still repairing. If the ledger were migrated now, the
    /// records of that worker would be lost.
    #[error(
        "the ledger {path} cannot be migrated yet: job {job} from an older version is still \
         running; wait for it to end, because no repair starts until then"
    )]
    WorkerAtWork { path: PathBuf, job: String },
    /// A repair is running, and its worker could not record steps while the file is being
    /// rewritten.
    #[error("the ledger {path} cannot be rewritten while job {job} is running")]
    InUse { path: PathBuf, job: String },
    /// The ledger file's mode lets other accounts write to it.
    #[error(
        "the ledger {0} can be written by others: its history cannot be trusted; {next}",
        next = policy::see_doctor!()
    )]
    Writable(PathBuf),
    /// Another account can write to the ledger's directory, so it could delete the ledger and thus
    /// the history of repairs.
    #[error(
        "the ledger's directory {0} can be written by others: its history cannot be trusted; \
         {next}",
        next = policy::see_doctor!()
    )]
    Exposed(PathBuf),
    /// Another process held the decision lock for too long.
    #[error("the ledger {path} has been locked by another process for {} s, so this program made \
             no decision; look for a suspended repair_worker (SIGSTOP)", .waited.as_secs())]
    Busy {
        path: PathBuf,
        /// How long we waited for the lock.
        waited: Duration,
    },
    /// SQLite failed for another reason, for example a full or read-only disk, damage, or a lock
    /// that was held for too long.
    #[error("the ledger {path} cannot be used: {why}; {}", of_store(why.sqlite_error_code()))]
    Store { path: PathBuf, why: rusqlite::Error },
    /// The ledger has no record of the job, or the job has already ended.
    #[error("the ledger {ledger} has no running job {job}")]
    NoSuchJob {
        /// Path of the SQLite file, or name of the PostgreSQL database.
        ledger: String,
        job: String,
    },
    /// No server of the PostgreSQL database can be used.
    #[error(
        "the ledger in the PostgreSQL database {database} cannot be used, so nothing is \
         repaired: {}",
        of_servers(tried)
    )]
    NoServer {
        database: String,
        /// Each server, and why it cannot be used.
        tried: Vec<(String, ServerFault)>,
    },
    /// A PostgreSQL server could not be used, or refused a statement.
    #[error(
        "the ledger in the PostgreSQL database {database} on {server} cannot be used: {why}; {}",
        why.next_step()
    )]
    Server { server: String, database: String, why: ServerFault },
    /// The PostgreSQL server did not confirm a commit, for example because the server's standby
    /// does not answer. The reservation may have been recorded, but nothing was run, and the lease
    /// of the reservation runs out by itself.
    #[error(
        "the PostgreSQL server {server} did not confirm that it has recorded the repair in the \
         database {database} ({why}), so nothing was run; the host may stay reserved until the \
         lease is over; check the server and its synchronous standbys"
    )]
    Unconfirmed { server: String, database: String, why: ServerFault },
    /// Another PostgreSQL server has taken over. It may lack the last reservations, so nothing is
    /// repaired until their leases are over.
    #[error(
        "the PostgreSQL server {server} has taken over the database {database} and may lack the \
         last reservations, so nothing is repaired for another {} s; this ends by itself",
        left.as_secs()
    )]
    FailedOver { server: String, database: String, left: Duration },
    /// Two PostgreSQL servers accept writes. The programs use the server with the newer timeline,
    /// but a program that cannot reach that server would use the other server.
    #[error(
        "the PostgreSQL server {stale} accepts writes in the database {database}, although \
         {server} has taken over from it; stop {stale} at once, because it lacks the newest \
         records, and make it a standby"
    )]
    TwoPrimaries { server: String, database: String, stale: String },
    /// The PostgreSQL server confirms a commit only after a synchronous standby has stored it, but
    /// no such standby answers.
    #[error(
        "the PostgreSQL server {server} confirms no commit in the database {database}, because no \
         synchronous standby answers, so nothing is repaired; start a standby that its \
         synchronous_standby_names lists"
    )]
    NoStandby { server: String, database: String },
    /// The PostgreSQL database lacks the tables, the site or a right.
    #[error(
        "the PostgreSQL database {database} on {server} {why}; as the owner of the database, run \
         what `repairctl ledger schema` prints"
    )]
    NoSite { server: String, database: String, why: String },
    /// The tables in the PostgreSQL database belong to another version of these programs.
    #[error(
        "the PostgreSQL database {database} on {server} has tables of version {found}, but this \
         program needs version {known}; use the same version on all servers"
    )]
    OtherTables { server: String, database: String, found: i64, known: i64 },
    /// Records can be imported only into a site that has no records yet.
    #[error(
        "the site {site} in the PostgreSQL database {database} already has records; import \
             into another site"
    )]
    NotEmpty { database: String, site: String },
    /// A file with a password or a certificate cannot be used.
    #[error(
        "{path} cannot be used to connect to PostgreSQL: {why}; correct it, or name another \
             file in the policy"
    )]
    Secret { path: PathBuf, why: String },
}

const FULL: &str = "free some space on the ledger's disk; the records are kept, but nothing is \
                    repaired until then";
const LIMITS: &str = "raise the limits of the process that started this program (ulimit -n and \
                      -f, LimitNOFILE= and LimitFSIZE=)";
const READ_ONLY: &str = "mount the ledger's disk read-write again";
/// The program may simply be running as the wrong user, so this text does not advise admins to
/// change the owner of Nagios' files.
const NOT_OURS: &str = concat!(
    "only root and Nagios' user can use the ledger; run this program as one of them; if you \
     already run it as Nagios' user, ",
    policy::see_doctor!()
);

/// Quotes a path so that it can be pasted into a shell.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Returns the command that restores the older version's ledger. The command removes the newer
/// ledger's write-ahead log, which SQLite would otherwise apply to the copy.
fn way_back(path: &Path, backup: Option<&Path>) -> String {
    backup.map_or_else(String::new, |backup| {
        let beside = |end| shell_word(Path::new(&format!("{}{end}", path.display())));
        format!(
            ", or go back to the older version and lose everything recorded since then: when no \
             program uses the ledger, run as the user Nagios runs as: rm -f {} {} && mv {} {}",
            beside("-wal"),
            beside("-shm"),
            shell_word(backup),
            shell_word(path)
        )
    })
}

/// Returns what to do if the ledger's directory or a file next to the ledger cannot be used.
fn of_directory(why: &io::Error) -> &'static str {
    match why.kind() {
        _ if is_shortage(why) => LIMITS,
        ErrorKind::FileTooLarge => LIMITS,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FULL,
        ErrorKind::ReadOnlyFilesystem => READ_ONLY,
        ErrorKind::PermissionDenied => NOT_OURS,
        ErrorKind::InvalidInput => "find out who put this file or link there, and remove it",
        ErrorKind::NotFound => policy::see_doctor!(),
        _ => "check the ledger's files and their disk",
    }
}

/// Whether this process or this machine has run out of descriptors or memory.
fn is_shortage(why: &io::Error) -> bool {
    matches!(Errno::from_io_error(why), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

impl Error {
    /// Whether this process or machine has run out of descriptors or memory, in which case the
    /// ledger itself may be fine.
    pub fn is_our_shortage(&self) -> bool {
        let of_server = |why: &ServerFault| why.io_error().is_some_and(is_shortage);
        match self {
            Error::Directory { why, .. } => is_shortage(why),
            Error::Server { why, .. } => of_server(why),
            Error::NoServer { tried, .. } => tried.iter().any(|(_, why)| of_server(why)),
            _ => false,
        }
    }
}

impl Error {
    /// Whether the PostgreSQL database lacks tables, the site or rights, which
    /// [`postgres_schema`](crate::postgres_schema) adds.
    pub fn is_about_schema(&self) -> bool {
        match self {
            Error::NoSite { .. } => true,
            Error::Server { why, .. } => why.is_about_schema(),
            _ => false,
        }
    }

    /// Whether the ledger file is damaged and must be replaced.
    pub fn is_damage(&self) -> bool {
        let code = match self {
            Error::Store { why, .. } => why.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

/// Lists what is wrong with each server, and what to do about it.
fn of_servers(tried: &[(String, ServerFault)]) -> String {
    let line =
        |(server, why): &(String, ServerFault)| format!("{server}: {why} ({})", why.next_step());
    tried.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// Returns what to do if SQLite cannot use the file.
fn of_store(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::DiskFull) => FULL,
        Some(ErrorCode::ReadOnly) => {
            "make the ledger, its directory and its disk writable again for the user Nagios runs as"
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => NOT_OURS,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the file is damaged, and no program overwrites it; restore a copy of the file, or \
             move the file away, which loses the record of earlier repairs"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "check the ledger's disk and the limit on file sizes (ulimit -f, LimitFSIZE=)"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "find out which process has locked the ledger, for example a backup, or a \
             repair_worker that is suspended (SIGSTOP)"
        }
        _ => "check the ledger's files and their disk",
    }
}
