//! Why a PostgreSQL server cannot be used, and what to do about it.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

/// Why a PostgreSQL server cannot be used.
#[derive(Debug)]
pub enum ServerFault {
    /// The server did not answer within this time.
    NoAnswer(Duration),
    /// The server accepts no writes. It is a standby, or it was made read-only.
    ReadOnly,
    /// The server has come back and accepts writes, although another server has taken over from it.
    Stale,
    /// Another server accepts writes as well, and neither has a newer timeline.
    Rival,
    /// The server's database stores texts in this encoding, not in UTF-8.
    Encoding(String),
    /// This process could not open a connection, for example because it has too many open files.
    NoResources(io::Error),
    /// The socket's directory is missing, or nothing listens on the port.
    NoConnection(io::Error),
    /// Every account can create a socket in the directory, and could thus pretend to be the server.
    Exposed,
    /// The server did not prove with SCRAM that it knows the password of the role. The connection
    /// has no TLS certificate either, so the server could be any program.
    Unproven,
    /// The connection failed, or the server refused a statement.
    Failed(tokio_postgres::Error),
}

impl fmt::Display for ServerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerFault::NoAnswer(waited) => write!(f, "no answer within {} s", waited.as_secs()),
            ServerFault::ReadOnly => f.write_str("it accepts no writes"),
            ServerFault::Stale => f.write_str("another server has taken over from it"),
            ServerFault::Rival => f.write_str("another server accepts writes as well"),
            ServerFault::Encoding(found) => write!(f, "its encoding is {found}, not UTF8"),
            ServerFault::NoResources(why) => write!(f, "no connection can be opened: {why}"),
            ServerFault::NoConnection(why) => why.fmt(f),
            ServerFault::Exposed => {
                f.write_str("every account can create a socket in this directory")
            }
            ServerFault::Unproven => {
                f.write_str("it does not prove that it is PostgreSQL, so it may be another program")
            }
            ServerFault::Failed(why) => match why.as_db_error() {
                Some(refused) => f.write_str(refused.message()),
                None => write_causes(f, why),
            },
        }
    }
}

impl From<tokio_postgres::Error> for ServerFault {
    fn from(why: tokio_postgres::Error) -> ServerFault {
        let cause = why.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause.and_then(io::Error::get_ref).is_some_and(|cause| cause.is::<Unproven>()) {
            true => ServerFault::Unproven,
            false => ServerFault::Failed(why),
        }
    }
}

/// The server did not prove with SCRAM that it knows the password of the role.
#[derive(Debug, thiserror::Error)]
#[error("the server did not prove that it knows the password")]
pub(crate) struct Unproven;

/// Writes the cause of an error, because the message of tokio-postgres itself only says which
/// operation failed.
fn write_causes(f: &mut fmt::Formatter<'_>, why: &tokio_postgres::Error) -> fmt::Result {
    match why.source() {
        Some(cause) => write!(f, "{cause}"),
        None => write!(f, "{why}"),
    }
}

const GRANTS: &str = "as the owner of the database, run what `repairctl ledger schema` prints";

impl ServerFault {
    /// Whether the connection can no longer be used.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            ServerFault::NoAnswer(_)
            | ServerFault::ReadOnly
            | ServerFault::Stale
            | ServerFault::Rival => true,
            ServerFault::Encoding(_)
            | ServerFault::NoResources(_)
            | ServerFault::NoConnection(_)
            | ServerFault::Exposed
            | ServerFault::Unproven => false,
            ServerFault::Failed(why) => {
                why.as_db_error().is_none()
                    || why.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
            }
        }
    }

    /// Returns the error of the system call that made the connection fail, if there is one.
    pub(crate) fn io_error(&self) -> Option<&io::Error> {
        match self {
            ServerFault::NoResources(why) | ServerFault::NoConnection(why) => Some(why),
            ServerFault::Failed(why) => why.source()?.downcast_ref(),
            ServerFault::NoAnswer(_)
            | ServerFault::ReadOnly
            | ServerFault::Stale
            | ServerFault::Rival
            | ServerFault::Exposed
            | ServerFault::Unproven
            | ServerFault::Encoding(_) => None,
        }
    }

    /// Whether the database lacks tables or rights.
    pub(crate) fn is_about_schema(&self) -> bool {
        let ServerFault::Failed(why) = self else { return false };
        why.code().is_some_and(is_about_schema)
    }

    /// Returns what an admin can do to correct the fault.
    pub(crate) fn next_step(&self) -> &'static str {
        let code = match self {
            ServerFault::NoAnswer(_) => return "check that the server runs and is not overloaded",
            ServerFault::ReadOnly => {
                return "name its primary server in \"hosts\", or promote a standby";
            }
            ServerFault::Stale => {
                return "stop it at once, because it lacks the newest records, and make it a \
                        standby of the other one";
            }
            ServerFault::Rival => {
                return "stop all servers except the one with the newest records, and make the \
                        stopped ones its standbys; or, if the servers do not belong together, \
                        remove the wrong ones from \"hosts\"";
            }
            ServerFault::NoResources(_) => {
                return "raise the limits of the process that started this program (ulimit -n, \
                        LimitNOFILE=)";
            }
            ServerFault::Exposed => {
                return "set unix_socket_directories to a directory that only the server's account \
                        can change, and name it in \"hosts\"";
            }
            ServerFault::Unproven => {
                return "either make pg_hba.conf require scram-sha-256 and set the role's password \
                        again, or name the directory of the server's socket in \"hosts\", or use \
                        TLS with \"ca\"";
            }
            ServerFault::NoConnection(_) => None,
            ServerFault::Encoding(_) => return "create the database with ENCODING 'UTF8'",
            ServerFault::Failed(why) => why.code(),
        };
        let Some(code) = code else {
            return "check that the server runs, and the name, port and certificate of the server";
        };
        match *code {
            _ if is_about_schema(code) => GRANTS,
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                "check \"user\" and \"password_file\" in the policy, and pg_hba.conf on the server"
            }
            SqlState::INVALID_CATALOG_NAME => "check \"dbname\" in the policy",
            SqlState::READ_ONLY_SQL_TRANSACTION => {
                "name its primary server in \"hosts\", or promote a standby"
            }
            SqlState::DISK_FULL => "free some space on the server",
            SqlState::TOO_MANY_CONNECTIONS => "raise max_connections, or close some connections",
            SqlState::LOCK_NOT_AVAILABLE => {
                "another server held the lock of the site for too long; look for a \
                 suspended repair_worker (SIGSTOP), or for a standby that does not answer"
            }
            SqlState::QUERY_CANCELED => "it took too long; check the load of the server",
            _ => "check the server's log",
        }
    }
}

fn is_about_schema(code: &SqlState) -> bool {
    matches!(
        *code,
        SqlState::INSUFFICIENT_PRIVILEGE
            | SqlState::UNDEFINED_TABLE
            | SqlState::UNDEFINED_FUNCTION
            | SqlState::UNDEFINED_COLUMN
            | SqlState::INVALID_SCHEMA_NAME
    )
}
