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
/// How long a transaction may be idle. A stopped worker holds the lock of its site for this long.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// How much longer than the server's deadline we wait for an answer.
const GRACE: Duration = Duration::from_secs(5);

/// Longest password that is read, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To reserve and record repairs.
    Write,
    /// To show records. The connection cannot write.
    Read,
    /// To create tables or import records, which takes longer.
    Own,
}

impl Purpose {
    /// Returns the deadline of a statement.
    fn statement_time(self) -> Duration {
        match self {
            Purpose::Write => STATEMENT_TIME,
            Purpose::Read => READ_TIME,
            Purpose::Own => OWNER_TIME,
        }
    }

    /// Returns the statements that set up a connection. Sequential scans and sorts are disabled,
    /// because the planner prefers them to an index as long as it has no statistics, and because
    /// each query has an index that orders its rows. The keepalives end the connection of a machine
    /// that has lost its power.
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

/// Returns the path to which the names of this server's own files are appended.
pub(super) fn local_path(config: &PostgresConfig) -> PathBuf {
    LedgerConfig::Postgres(config.clone()).local().to_owned()
}

/// Connects to one server, which must accept writes and must not be older than `newest`. Also
/// returns its timeline.
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
            // Do not wait for a resolver that does not answer.
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
    // An error of the connection also reaches the statement that waits for an answer.
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

/// Checks that the server can store a ledger. Returns its timeline, or why it cannot.
fn check_server(
    session: &Session,
    purpose: Purpose,
    newest: Option<&Timeline>,
) -> Result<Result<Timeline, ServerFault>, Error> {
    // The functions for the log fail on a standby.
    let sql = "SELECT (pg_is_in_recovery() OR \
               current_setting('default_transaction_read_only') = $1)::int::bigint, current_setting('server_encoding'), \
               (SELECT system_identifier::text FROM pg_control_system()), \
               CASE WHEN NOT pg_is_in_recovery() THEN \
               substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END";
    // A connection for reading is read-only because we have asked for it.
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

/// Reads the password, which ends at the end of the first line.
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
