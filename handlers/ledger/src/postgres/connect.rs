//! Connects to one server of the database.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy_file::{LedgerConfig, PostgresConfig, PostgresHost};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Connection, NoTls};

use super::scram::ProvenStream;
use super::session::{Session, setting};
use super::timeline::Timeline;
use super::tls::Tls;
use crate::Error;
use crate::server_fault::ServerFault;

/// How long connecting to one server may take, including the TLS handshake and the password check.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long connecting to one address of a server may take. Many servers have an IPv4 and an IPv6
/// address, and one of them may not answer.
const ADDRESS_TIME: Duration = Duration::from_secs(2);
/// How long a statement may wait for a lock. A reservation normally holds the lock of its site for
/// a few milliseconds.
const LOCK_TIME: Duration = Duration::from_secs(8);
/// How long a statement of a worker may take, including its wait for a lock.
const STATEMENT_TIME: Duration = Duration::from_secs(10);
/// How long a query for an admin may take.
const READ_TIME: Duration = Duration::from_secs(100);
/// How long a statement that copies or creates tables may take.
const OWNER_TIME: Duration = Duration::from_secs(600);
/// How long a transaction may be idle, and how long to wait for the server to confirm a commit. A
/// worker that was stopped in a transaction holds the lock of its site no longer than this.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// How long to wait for the server's answer after its own deadline for the statement.
const GRACE: Duration = Duration::from_secs(5);

/// Maximum size of the password file, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reserving and recording repairs.
    Write,
    /// Showing records. The connection cannot write.
    Read,
    /// Creating tables, or importing records, which can take minutes.
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

    /// Returns how long a transaction may be idle, and how long to wait for the server to confirm a
    /// commit. The server's own deadlines do not apply to a commit that waits for a standby.
    fn idle_time(self) -> Duration {
        match self {
            Purpose::Write | Purpose::Read => IDLE_TIME,
            // An import reads many records from its file, and a standby then has to write them all.
            Purpose::Own => OWNER_TIME,
        }
    }

    /// Returns the statements that set up a connection. A commit waits until it is on the disks of
    /// the server and of its synchronous standbys, even if the server or the role is configured to
    /// confirm earlier. Sequential and bitmap scans are disabled.
    /// Each query has an index that orders its rows, but a planner without statistics would prefer
    /// such a scan and a sort. With the keepalives, the server notices if this machine loses power,
    /// and closes the connection.
    fn settings(self) -> String {
        let [lock, statement, idle] =
            [LOCK_TIME.min(self.statement_time()), self.statement_time(), self.idle_time()]
                .map(setting);
        let read_only = match self {
            Purpose::Read => "SET default_transaction_read_only = on; ",
            Purpose::Write | Purpose::Own => "",
        };
        format!(
            "SET search_path = selfheal, pg_temp; SET client_min_messages = error; \
             SET lock_timeout = {lock}; SET statement_timeout = {statement}; \
             SET idle_in_transaction_session_timeout = {idle}; \
             {read_only}SET default_transaction_isolation = 'read committed'; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') <> 'remote_apply'; \
             SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off; \
             SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; \
             SET tcp_keepalives_count = 3"
        )
    }
}

/// What a connection needs besides the name of a server.
#[derive(Clone)]
pub(super) struct DatabaseLogin {
    pub(super) config: PostgresConfig,
    purpose: Purpose,
    tls: Option<Tls>,
    password: Option<Vec<u8>>,
}

/// The state of a server.
pub(super) struct ServerState {
    /// The timeline on which the server writes, or the newest timeline that a standby has reached.
    pub(super) timeline: Timeline,
    /// When the server was started, in microseconds since 1970. Two names in `hosts` with the same
    /// start time belong to the same server.
    pub(super) started: i64,
    /// Why the server cannot store a ledger; `None` if it can.
    pub(super) fault: Option<ServerFault>,
}

/// Returns the common prefix of the paths of this server's own files.
pub(super) fn local_path(config: &PostgresConfig) -> PathBuf {
    LedgerConfig::Postgres(config.clone()).local().to_owned()
}

impl DatabaseLogin {
    /// Reads the password and the certificates.
    ///
    /// # Errors
    /// Returns [`Error::Secret`] if a file cannot be read.
    pub(super) fn new(config: &PostgresConfig, purpose: Purpose) -> Result<DatabaseLogin, Error> {
        let tls = config.tls.as_ref().map(Tls::new).transpose()?;
        let password = config.password_file.as_deref().map(read_password).transpose()?;
        Ok(DatabaseLogin { config: config.clone(), purpose, tls, password })
    }

    /// Adds the names of a server and the database to a fault.
    pub(super) fn failed(&self, host: &PostgresHost, why: ServerFault) -> Error {
        Error::Server { server: host.to_string(), database: self.config.dbname.clone(), why }
    }

    /// Connects to one server, and returns the session and the server's state.
    ///
    /// # Errors
    /// Returns [`Error::Server`] if the server cannot be reached or refuses us.
    pub(super) fn connect_to(&self, host: &PostgresHost) -> Result<(Session, ServerState), Error> {
        let failed = |why| self.failed(host, why);
        let tls = self.tls.clone().filter(|_| matches!(host, PostgresHost::Tcp { .. }));
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| failed(ServerFault::NoResources(why)))?;
        let connected = runtime.block_on(async {
            let connected = timeout(CONNECT_TIME, self.handshake(&runtime, host, tls)).await;
            connected.unwrap_or(Err(ServerFault::NoAnswer(CONNECT_TIME)))
        });
        let (client, connection) = match connected {
            Ok(connected) => connected,
            Err(why) => {
                // Do not wait for a DNS resolver that does not answer.
                runtime.shutdown_background();
                return Err(failed(why));
            }
        };
        let names = [host.to_string(), self.config.dbname.clone()];
        let times = [self.purpose.statement_time() + GRACE, self.purpose.idle_time()];
        let session = Session::new(runtime, client, connection, names, times);
        session.batch(&self.purpose.settings())?;
        let state = server_state(&session, self.purpose)?;
        session.read_clock(&[])?;
        Ok((session, state))
    }

    /// Connects and starts the task that reads from the connection.
    async fn handshake(
        &self,
        runtime: &Runtime,
        host: &PostgresHost,
        tls: Option<Tls>,
    ) -> Result<(Client, JoinHandle<()>), ServerFault> {
        let mut settings = Config::new();
        settings.dbname(&self.config.dbname).user(&self.config.user);
        settings.application_name("nagios-selfheal").connect_timeout(ADDRESS_TIME);
        if let Some(password) = &self.password {
            settings.password(password);
        }
        Ok(match (host, tls) {
            (PostgresHost::Socket { directory, port }, _) => {
                let found = fs::metadata(directory).map_err(ServerFault::NoConnection)?;
                if found.mode() & 0o002 != 0 {
                    return Err(ServerFault::Exposed);
                }
                settings.ssl_mode(SslMode::Disable).host_path(directory).port(*port);
                let (client, connection) = settings.connect(NoTls).await?;
                (client, spawn(runtime, connection))
            }
            (PostgresHost::Tcp { name, port }, Some(tls)) => {
                settings.ssl_mode(SslMode::Require).host(name).port(*port);
                let (client, connection) = settings.connect(tls).await?;
                (client, spawn(runtime, connection))
            }
            (PostgresHost::Tcp { port, .. }, None) => {
                settings.ssl_mode(SslMode::Disable);
                let address = host.loopback().ok_or(ServerFault::Unproven)?;
                let stream = TcpStream::connect((address, *port)).await;
                let stream = ProvenStream::new(stream.map_err(ServerFault::NoConnection)?);
                let (client, connection) = settings.connect_raw(stream, NoTls).await?;
                (client, spawn(runtime, connection))
            }
        })
    }
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

/// Returns the state of the server.
fn server_state(session: &Session, purpose: Purpose) -> Result<ServerState, Error> {
    // The functions that return the position in the write-ahead log fail on a standby. A standby
    // learns about a new timeline when it replays the first record of that timeline, or at its next
    // restart point.
    let sql = "SELECT (pg_is_in_recovery() OR \
               current_setting('default_transaction_read_only') = $1)::int::bigint, \
               current_setting('server_encoding'), \
               (SELECT system_identifier::text FROM pg_control_system()), \
               CASE WHEN pg_is_in_recovery() THEN (SELECT lpad(upper(to_hex(greatest(timeline_id, \
               min_recovery_end_timeline))), 8, '0') FROM pg_control_checkpoint(), \
               pg_control_recovery()) \
               ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END, \
               (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint";
    // A connection for reading is read-only because we have made it so. Only on the other
    // connections is a read-only server a fault.
    let refused = if purpose == Purpose::Read { "" } else { "on" };
    let rows = session.query(sql, &[refused.into()])?;
    let row = rows.first().ok_or_else(|| session.failed(ServerFault::ReadOnly))?;
    let (is_read_only, encoding) = (row.integer(0)? == 1, row.text(1)?);
    let fault = match encoding.as_str() {
        _ if is_read_only => Some(ServerFault::ReadOnly),
        "UTF8" => None,
        _ => Some(ServerFault::Encoding(encoding)),
    };
    let timeline = Timeline { cluster: row.text(2)?, number: row.text(3)? };
    Ok(ServerState { timeline, started: row.integer(4)?, fault })
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
