//! Describes the state of the database, for `repairctl doctor`.

use std::time::Duration;

use policy_file::PostgresConfig;

use super::connect::Purpose;
use super::members::connect;
use super::schema::{self, RIGHTS};
use super::session::Session;
use crate::Error;
use crate::server_fault::ServerFault;

/// The state of the PostgreSQL server that accepts writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Name of the server, as in the policy.
    pub server: String,
    /// Version of the server, for example `15.4`.
    pub version: String,
    /// Whether TLS protects the connection.
    pub is_encrypted: bool,
    /// How many replicas are connected.
    pub replicas: u32,
    /// Whether a commit waits for a replica, so that a failover loses no reservation.
    pub is_synchronous: bool,
    /// The setting `synchronous_commit` that applies to our role. The programs replace it if it is
    /// too weak.
    pub synchronous_commit: String,
    /// The other servers in `hosts` that could not be queried, each with the reason.
    pub unreached: Vec<String>,
    /// Difference between the server's clock and ours.
    pub clock_skew: Duration,
}

/// Connects to the database, checks its tables and our rights, and describes the server.
///
/// # Errors
/// Returns [`Error::NoSite`] with the rights that are missing, [`Error::TwoPrimaries`], or one of
/// the errors of [`open`](crate::open).
pub fn examine(config: &PostgresConfig) -> Result<DatabaseReport, Error> {
    let session = connect_alone(config)?;
    let missing = missing_rights(&session)?;
    if !missing.is_empty() {
        let why = format!("does not give {} the right to {}", config.user, missing.join(", "));
        return Err(session.no_site(why));
    }
    let sql = "SELECT current_setting('server_version'), \
        coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)::int::bigint, \
        (SELECT count(*) FROM pg_stat_replication), \
        (current_setting('synchronous_standby_names') <> '')::int::bigint, \
        (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit')";
    let rows = session.query(sql, &[])?;
    let Some(row) = rows.first() else { return Err(session.no_site("does not answer".into())) };
    let reached = |why: &ServerFault| matches!(why, ServerFault::ReadOnly);
    let others = session.others.iter().filter(|(_, why)| !reached(why));
    Ok(DatabaseReport {
        unreached: others.map(|(server, why)| format!("{server}: {why}")).collect(),
        synchronous_commit: row.text(4)?,
        server: session.server.clone(),
        version: row.text(0)?,
        is_encrypted: row.integer(1)? == 1,
        replicas: u32::try_from(row.integer(2)?).unwrap_or(u32::MAX),
        is_synchronous: row.integer(3)? == 1,
        clock_skew: Duration::from_millis(session.ahead().unsigned_abs()),
    })
}

/// Connects to the database, checks its tables, and checks that no other server accepts writes.
fn connect_alone(config: &PostgresConfig) -> Result<Session, Error> {
    let session = connect(config, Purpose::Write)?;
    schema::check(&session, &config.site)?;
    match session.others.iter().find(|(_, why)| matches!(why, ServerFault::Stale)) {
        None => Ok(session),
        Some((stale, _)) => {
            let (server, database) = (session.server.clone(), session.database.clone());
            Err(Error::TwoPrimaries { server, database, stale: stale.clone() })
        }
    }
}

/// This query returns 0 if the server can confirm commits at once. It returns more than 0 if a
/// synchronous standby is required but no standby is connected, or if a commit of our role has been
/// waiting for longer than a worker would wait.
const UNCONFIRMED: &str = "SELECT (current_setting('synchronous_standby_names') <> '' \
     AND NOT EXISTS (SELECT FROM pg_stat_replication))::int::bigint \
     + (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user \
     AND wait_event = 'SyncRep' AND query_start < clock_timestamp() - interval '5 s')";

/// Length of the text that [`test_write`] writes, in bytes. It is longer than the free space in any
/// page of 8 KiB, so the server has to extend a file.
const TEST_BYTES: usize = 20_000;

/// Writes a record and rolls it back. Also checks that a commit would not wait for a standby.
///
/// # Errors
/// Returns [`Error::TwoPrimaries`], [`Error::NoStandby`], one of the errors of
/// [`open`](crate::open), or [`Error::Server`] if the server's disk is full or our user lacks a
/// right.
pub fn test_write(config: &PostgresConfig) -> Result<(), Error> {
    let session = connect_alone(config)?;
    if session.number(UNCONFIRMED, &[])? > 0 {
        let (server, database) = (session.server.clone(), session.database.clone());
        return Err(Error::NoStandby { server, database });
    }
    session.batch("BEGIN")?;
    let sql = "INSERT INTO refusal (site, at, job, server, host, service, event, reason, text) \
               VALUES ($1, 0, '', '', '', '', '', '', $2)";
    // The server compresses texts, so use a text without a simple pattern, which the server cannot
    // shorten much.
    let text: String = (0_u64..)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string())
        .take(TEST_BYTES / 20)
        .collect();
    let written = session.execute(sql, &[config.site.as_str().into(), text.as_str().into()]);
    session.roll_back();
    written.map(drop)
}

/// Returns the rights that our user lacks, such as `INSERT ON step`.
fn missing_rights(session: &Session) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for (right, table) in RIGHTS {
        let (action, columns) = right.split_once(" (").unwrap_or((right, ""));
        let columns = columns.trim_end_matches(')').split(", ").filter(|name| !name.is_empty());
        let columns: Vec<&str> = columns.collect();
        let mut lacks = |sql: &str, column: &str| -> Result<(), Error> {
            let keys = [(*table).into(), action.into(), column.into()];
            if session.number(sql, &keys)? != 1 {
                let column = if column.is_empty() { "" } else { &format!(" ({column})") };
                missing.push(format!("{action}{column} ON {table}"));
            }
            Ok(())
        };
        // A right to the whole table also counts as a right to each of its columns.
        let of_column = "SELECT has_column_privilege($1, $3, $2)::int::bigint";
        let of_table = "SELECT has_table_privilege($1, $2)::int::bigint WHERE $3 = ''";
        match columns.as_slice() {
            [] => lacks(of_table, "")?,
            columns => columns.iter().try_for_each(|column| lacks(of_column, column))?,
        }
    }
    let sql = "SELECT has_function_privilege('expire(text, bigint, bigint, bigint)', \
               'EXECUTE')::int::bigint";
    if session.number(sql, &[])? != 1 {
        missing.push("EXECUTE expire".into());
    }
    Ok(missing)
}
