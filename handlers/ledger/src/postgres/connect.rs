//! Connects to the first server of the database that accepts writes.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy_file::{LedgerConfig, PostgresConfig, PostgresHost};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Connection, NoTls};

use super::session::{Session, setting};
use super::timeline::{self, Timeline};
use super::tls::Tls;
use crate::Error;
use crate::server_fault::ServerFault;

/// How long connecting to one server may take, including the TLS handshake and the password check.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a statement may wait for a lock. A reservation normally holds the lock of its site for
/// a few milliseconds.
const LOCK_TIME: Duration = Duration::from_secs(8);
/// How long a statement of a worker may take, including its wait for a lock.
const STATEMENT_TIME: Duration = Duration::from_secs(10);
/// How long a query for an admin may take.
const READ_TIME: Duration = Duration::from_secs(100);
/// How long a statement that copies or creates tables may take.
const OWNER_TIME: Duration = Duration::from_secs(600);
/// How long a transaction may be idle. A stopped worker holds the lock of its site no longer than
/// this.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// How long to wait for the server's answer after its own deadline for the statement.
const GRACE: Duration = Duration::from_secs(5);

/// Maximum size of the password file, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To reserve and record repairs.
    Write,
    /// To show records. The connection cannot write.
    Read,
    /// To create tables or import records. These statements take longer.
    Own,
}

impl Purpose {
    /// Returns how long a statement may take.
    fn statement_time(self) -> Duration {
        match self {
            Purpose::Write => STATEMENT_TIME,
            Purpose::Read => READ_TIME,
            Purpose::Own => OWNER_TIME,
        }
    }

    /// Returns the statements that set up a connection. Sequential and bitmap scans are disabled.
    /// Each query has an index that orders its rows, but a planner without statistics would prefer
    /// such a scan and a sort. With the keepalives, the server notices if this machine loses power,
    /// and closes the connection.
    fn settings(self) -> String {
        let [lock, statement, idle] =
            [LOCK_TIME.min(self.statement_time()), self.statement_time(), IDLE_TIME].map(setting);
        let read_only = match self {
            Purpose::Read => "SET default_transaction_read_only = on; ",
            Purpose::Write | Purpose::Own => "",
        };
        format!(
            "SET search_path = selfheal, pg_temp; SET client_min_messages = error; \
             SET lock_timeout = {lock}; SET statement_timeout = {statement}; \
             SET idle_in_transaction_session_timeout = {idle}; \
             {read_only}SET default_transaction_isolation = 'read committed'; \
             SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off; \
             SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; \
             SET tcp_keepalives_count = 3"
        )
    }
}

/// Connects to the first server that accepts writes.
///
/// # Errors
/// Returns [`Error::NoServer`] with what is wrong with each server, or [`Error::Secret`] if the
/// password or a certificate cannot be read.
pub(super) fn connect(config: &PostgresConfig, purpose: Purpose) -> Result<Session, Error> {
    let tls = config.tls.as_ref().map(Tls::new).transpose()?;
    let password = config.password_file.as_deref().map(read_password).transpose()?;
    let local = local_path(config);
    let newest = timeline::remembered(&local);
    let mut tried = Vec::new();
    for host in &config.hosts {
        let tls = tls.clone().filter(|_| matches!(host, PostgresHost::Tcp { .. }));
        match connect_to(config, host, tls, password.as_deref(), purpose, newest.as_ref()) {
            Ok((session, timeline)) => {
                if purpose == Purpose::Write && newest.as_ref() != Some(&timeline) {
                    timeline::remember(&local, &timeline)?;
                }
                return Ok(session);
            }
            Err(Error::Server { server, why, .. }) => tried.push((server, why)),
            Err(other) => return Err(other),
        }
    }
    Err(Error::NoServer { database: config.dbname.clone(), tried })
}

/// Returns the common prefix of the paths of this server's own files.
pub(super) fn local_path(config: &PostgresConfig) -> PathBuf {
    LedgerConfig::Postgres(config.clone()).local().to_owned()
}

/// Connects to one server. Returns the session and the server's timeline. Fails if the server does
/// not accept writes or if its timeline is older than `newest`.
fn connect_to(
    config: &PostgresConfig,
    host: &PostgresHost,
    tls: Option<Tls>,
    password: Option<&[u8]>,
    purpose: Purpose,
    newest: Option<&Timeline>,
) -> Result<(Session, Timeline), Error> {
    let names = [host.to_string(), config.dbname.clone()];
    let failed = |why| {
        let [server, database] = names.clone();
        Error::Server { server, database, why }
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| failed(ServerFault::NoResources(why)))?;
    let settings = settings(config, host, tls.is_some(), password);
    let (client, connection) = match runtime.block_on(handshake(&runtime, &settings, tls)) {
        Ok(connected) => connected,
        Err(why) => {
            // Do not wait for a DNS resolver that does not answer.
            runtime.shutdown_background();
            return Err(failed(why));
        }
    };
    let call_time = purpose.statement_time() + GRACE;
    let session = Session::new(runtime, client, connection, names.clone(), call_time);
    session.batch(&purpose.settings())?;
    let timeline = check_server(&session, purpose, newest)?.map_err(|why| session.failed(why))?;
    session.read_clock()?;
    Ok((session, timeline))
}

/// Connects and starts the task that reads from the connection.
async fn handshake(
    runtime: &Runtime,
    settings: &Config,
    tls: Option<Tls>,
) -> Result<(Client, JoinHandle<()>), ServerFault> {
    let connected = timeout(CONNECT_TIME, async {
        Ok(match tls {
            Some(tls) => {
                let (client, connection) = settings.connect(tls).await?;
                (client, spawn(runtime, connection))
            }
            None => {
                let (client, connection) = settings.connect(NoTls).await?;
                (client, spawn(runtime, connection))
            }
        })
    });
    let connected = connected.await.map_err(|_| ServerFault::NoAnswer(CONNECT_TIME))?;
    connected.map_err(ServerFault::Failed)
}

fn spawn<S, T>(runtime: &Runtime, connection: Connection<S, T>) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Ignore the result. If the connection fails, the statement that waits for an answer also
    // fails.
    runtime.spawn(async move { drop(connection.await) })
}

fn settings(
    config: &PostgresConfig,
    host: &PostgresHost,
    is_encrypted: bool,
    password: Option<&[u8]>,
) -> Config {
    let mut settings = Config::new();
    settings.dbname(&config.dbname).user(&config.user).application_name("nagios-selfheal");
    settings.connect_timeout(CONNECT_TIME);
    let needs_tls = is_encrypted || !host.is_local();
    settings.ssl_mode(if needs_tls { SslMode::Require } else { SslMode::Disable });
    match host {
        PostgresHost::Socket { directory, port } => settings.host_path(directory).port(*port),
        PostgresHost::Tcp { name, port } => settings.host(name).port(*port),
    };
    if let Some(password) = password {
        settings.password(password);
    }
    settings
}

/// Checks that the server can store a ledger. Returns the server's timeline, or the reason why it
/// cannot store a ledger.
fn check_server(
    session: &Session,
    purpose: Purpose,
    newest: Option<&Timeline>,
) -> Result<Result<Timeline, ServerFault>, Error> {
    // The functions that return the position in the write-ahead log fail on a standby.
    let sql = "SELECT (pg_is_in_recovery() OR \
               current_setting('default_transaction_read_only') = $1)::int::bigint, current_setting('server_encoding'), \
               (SELECT system_identifier::text FROM pg_control_system()), \
               CASE WHEN NOT pg_is_in_recovery() THEN \
               substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END";
    // A connection for reading is read-only because we requested that, so this is not a fault.
    let refused = if purpose == Purpose::Read { "" } else { "on" };
    let rows = session.query(sql, &[refused.into()])?;
    let Some(row) = rows.first() else { return Ok(Err(ServerFault::ReadOnly)) };
    let (is_read_only, encoding) = (row.integer(0)? == 1, row.text(1)?);
    let timeline = Timeline { cluster: row.text(2)?, number: row.text(3)? };
    Ok(match encoding.as_str() {
        _ if is_read_only => Err(ServerFault::ReadOnly),
        _ if newest.is_some_and(|newest| timeline.is_older_than(newest)) => Err(ServerFault::Stale),
        "UTF8" => Ok(timeline),
        _ => Err(ServerFault::Encoding(encoding)),
    })
}

/// Reads the password, which is the first line of the file.
fn read_password(path: &Path) -> Result<Vec<u8>, Error> {
    let unusable = |why: io::Error| Error::Secret { path: path.to_owned(), why: why.to_string() };
    let file = safe_file::open(path).map_err(|why| unusable(why.into()))?;
    let found = file.metadata().map_err(unusable)?;
    if found.mode() & 0o007 != 0 {
        let why = concat!("every account can read it; ", policy::see_doctor!());
        return Err(unusable(io::Error::other(why)));
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        let why = format!("it belongs to uid {}, not to root or this user", found.uid());
        return Err(unusable(io::Error::other(why)));
    }
    let mut text = Vec::new();
    file.take(LONGEST_PASSWORD).read_to_end(&mut text).map_err(unusable)?;
    Ok(text.split(|b| matches!(b, b'\n' | b'\r')).next().unwrap_or_default().to_vec())
}
