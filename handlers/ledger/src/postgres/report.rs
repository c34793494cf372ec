//! Describes the state of the database, for `repairctl doctor`.

use std::time::Duration;

use policy_file::PostgresConfig;

use super::connect::{Purpose, connect};
use super::schema::{self, RIGHTS};
use super::session::Session;
use crate::Error;

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
    /// Difference between the server's clock and ours.
    pub clock_skew: Duration,
}

/// Connects to the database, checks its tables and our rights, and describes the server.
///
/// # Errors
/// Returns [`Error::NoSite`] with the rights that are missing, or one of the errors of
/// [`open`](crate::open).
pub fn examine(config: &PostgresConfig) -> Result<DatabaseReport, Error> {
    let session = connect(config, Purpose::Write)?;
    schema::check(&session, &config.site)?;
    let missing = missing_rights(&session)?;
    if !missing.is_empty() {
        let why = format!("does not give {} the right to {}", config.user, missing.join(", "));
        return Err(session.no_site(why));
    }
    let sql = "SELECT current_setting('server_version'), \
        coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)::int::bigint, \
        (SELECT count(*) FROM pg_stat_replication), \
        (current_setting('synchronous_standby_names') <> '')::int::bigint";
    let rows = session.query(sql, &[])?;
    let Some(row) = rows.first() else { return Err(session.no_site("does not answer".into())) };
    Ok(DatabaseReport {
        server: session.server.clone(),
        version: row.text(0)?,
        is_encrypted: row.integer(1)? == 1,
        replicas: u32::try_from(row.integer(2)?).unwrap_or(u32::MAX),
        is_synchronous: row.integer(3)? == 1,
        clock_skew: Duration::from_millis(session.ahead().unsigned_abs()),
    })
}

/// Length of the text that [`test_write`] writes, in bytes. It is longer than the free space in any
/// page of 8 KiB, so the server has to extend a file.
const TEST_BYTES: usize = 20_000;

/// Writes a record and rolls it back.
///
/// # Errors
/// Returns one of the errors of [`open`](crate::open), or [`Error::Server`] if the server's disk is
/// full or our user lacks a right.
pub fn test_write(config: &PostgresConfig) -> Result<(), Error> {
    let session = connect(config, Purpose::Write)?;
    schema::check(&session, &config.site)?;
    session.batch("BEGIN")?;
    let sql = "INSERT INTO refusal (site, at, job, server, host, service, event, reason, text) \
               VALUES ($1, 0, '', '', '', '', '', '', $2)";
    // The server compresses texts, so use one without a simple pattern, which stays long.
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
        // A right to all columns includes the right to each of them.
        let has = match columns.trim_end_matches(')').split(", ").next() {
            Some(column) if !column.is_empty() => {
                let sql = "SELECT has_column_privilege($1, $2, $3)::int::bigint";
                session.number(sql, &[(*table).into(), column.into(), action.into()])?
            }
            _ => {
                let sql = "SELECT has_table_privilege($1, $2)::int::bigint";
                session.number(sql, &[(*table).into(), action.into()])?
            }
        };
        if has != 1 {
            missing.push(format!("{action} ON {table}"));
        }
    }
    let sql = "SELECT has_function_privilege('expire(text, bigint, bigint, bigint)', \
               'EXECUTE')::int::bigint";
    if session.number(sql, &[])? != 1 {
        missing.push("EXECUTE expire".into());
    }
    Ok(missing)
}
