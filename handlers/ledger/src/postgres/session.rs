//! A connection to PostgreSQL. Each call has a deadline.

use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::timeline::Timeline;
use crate::Error;
use crate::server_fault::ServerFault;
use crate::value::{Value, millis, span_millis, time};

/// How long the test of a connection may take.
const TEST_TIME: Duration = Duration::from_secs(5);

/// How long closing a connection may take.
const CLOSE_TIME: Duration = Duration::from_millis(200);

/// Parameters of a statement, with their types.
type Parameters<'a> = Vec<(&'a (dyn ToSql + Sync), Type)>;

/// A connection to a server that accepts writes.
pub(super) struct Session {
    /// `None` only while the session is being dropped.
    client: Option<Client>,
    connection: JoinHandle<()>,
    /// How long each call may take.
    call_time: Duration,
    /// How long to wait for the server to confirm a commit.
    commit_time: Duration,
    /// Name of the server, for messages.
    pub(super) server: String,
    /// Name of the database, for messages.
    pub(super) database: String,
    /// The server's timeline, which stays the same as long as the server runs.
    pub(super) timeline: Timeline,
    /// The other servers of the database, and why each of them was not used.
    pub(super) others: Vec<(String, ServerFault)>,
    /// How far the server's clock is ahead of ours, in milliseconds.
    ahead: Cell<i64>,
    is_broken: Cell<bool>,
    /// Runs the connection while we wait for an answer. Declared last, so that it is dropped last.
    runtime: Runtime,
}

impl Session {
    pub(super) fn new(
        runtime: Runtime,
        client: Client,
        connection: JoinHandle<()>,
        [server, database]: [String; 2],
        [call_time, commit_time]: [Duration; 2],
    ) -> Session {
        Session {
            client: Some(client),
            connection,
            call_time,
            commit_time,
            server,
            database,
            timeline: Timeline::default(),
            others: Vec::new(),
            ahead: Cell::new(0),
            is_broken: Cell::new(false),
            runtime,
        }
    }

    /// Waits for an answer, for at most `limit`.
    fn wait<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, ServerFault> {
        let answer = self.runtime.block_on(async { timeout(limit, answer).await });
        let answer = match answer {
            Err(_) => Err(ServerFault::NoAnswer(limit)),
            Ok(answer) => answer.map_err(ServerFault::Failed),
        };
        let is_broken = answer.as_ref().is_err_and(ServerFault::is_final);
        self.is_broken.set(self.is_broken.get() || is_broken);
        answer
    }

    fn client(&self) -> Result<&Client, Error> {
        let gone = || self.failed(ServerFault::NoAnswer(Duration::ZERO));
        self.client.as_ref().ok_or_else(gone)
    }

    /// Adds the names of the server and the database to a fault.
    pub(super) fn failed(&self, why: ServerFault) -> Error {
        let (server, database) = (self.server.clone(), self.database.clone());
        Error::Server { server, database, why }
    }

    /// Like [`Session::failed`]. The session cannot be used any longer.
    pub(super) fn given_up(&self, why: ServerFault) -> Error {
        self.is_broken.set(true);
        self.failed(why)
    }

    /// Returns [`Error::NoSite`]. `why` says what the database lacks.
    pub(super) fn no_site(&self, why: String) -> Error {
        let (server, database) = (self.server.clone(), self.database.clone());
        Error::NoSite { server, database, why }
    }

    /// Runs a query and returns its rows.
    pub(super) fn rows(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        let values = parameters(values);
        let answer = self.client()?.query_typed(sql, &values);
        self.wait(self.call_time, answer).map_err(|why| self.failed(why))
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, Error> {
        let values = parameters(values);
        let answer = self.client()?.execute_typed(sql, &values);
        self.wait(self.call_time, answer).map_err(|why| self.failed(why))
    }

    /// Runs statements without parameters.
    pub(super) fn batch(&self, sql: &str) -> Result<(), Error> {
        let answer = self.client()?.batch_execute(sql);
        self.wait(self.call_time, answer).map_err(|why| self.failed(why))
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// Returns [`Error::Unconfirmed`] if it is unknown whether the server has committed.
    pub(super) fn commit(&self) -> Result<(), Error> {
        let answer = self.client()?.batch_execute("COMMIT");
        self.wait(self.commit_time, answer).map_err(|fault| match &fault {
            // A server that shuts down reports an error although the commit may be on its disk.
            ServerFault::Failed(why)
                if why.code().is_some_and(|code| !code.code().starts_with("57")) =>
            {
                self.failed(fault)
            }
            _ => {
                let (server, database) = (self.server.clone(), self.database.clone());
                Error::Unconfirmed { server, database, why: fault }
            }
        })
    }

    /// Commits without waiting for the disk or a standby. A crash or a failover may undo the
    /// commit.
    pub(super) fn commit_unflushed(&self) -> Result<(), Error> {
        self.batch("SET LOCAL synchronous_commit = off; COMMIT")
    }

    /// Rolls the transaction back. Ignores errors, because the server also rolls it back when the
    /// connection is closed.
    pub(super) fn roll_back(&self) {
        let _ = self.batch("ROLLBACK");
    }

    /// Tests whether the connection can be used.
    pub(super) fn is_usable(&self) -> bool {
        let is_answered = |client: &Client| self.wait(TEST_TIME, client.batch_execute("")).is_ok();
        !self.is_broken.get() && self.client.as_ref().is_some_and(is_answered)
    }

    /// Reads the server's clock.
    pub(super) fn read_clock(&self) -> Result<(), Error> {
        let before = millis(SystemTime::now());
        let sql = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let theirs = self.number(sql, &[])?;
        let after = millis(SystemTime::now());
        self.ahead.set(difference(before, theirs, after));
        Ok(())
    }

    /// Returns how far the server's clock is ahead of ours, in milliseconds.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.get()
    }

    /// Converts a time on our clock to milliseconds on the server's clock.
    pub(super) fn millis(&self, at: SystemTime) -> i64 {
        millis(at).saturating_add(self.ahead())
    }

    /// Converts a time on our clock to the server's clock.
    pub(super) fn server_time(&self, at: SystemTime) -> SystemTime {
        time(self.millis(at))
    }

    /// Converts milliseconds on the server's clock to a time on our clock.
    pub(super) fn local_time(&self, millis: i64) -> SystemTime {
        time(millis.saturating_sub(self.ahead()))
    }

    /// Returns a number from the only row of a query, or 0 if there is none.
    pub(super) fn number(&self, sql: &str, values: &[Value]) -> Result<i64, Error> {
        let rows = self.rows(sql, values)?;
        let read = |row: &Row| row.try_get::<_, Option<i64>>(0);
        let number = rows.first().map(read).transpose();
        let number = number.map_err(|why| self.failed(ServerFault::Failed(why)))?;
        Ok(number.flatten().unwrap_or(0))
    }
}

impl Drop for Session {
    /// Closes the connection properly. Otherwise, the server would log that the connection was
    /// lost.
    fn drop(&mut self) {
        drop(self.client.take());
        let connection = &mut self.connection;
        let _ = self.runtime.block_on(async { timeout(CLOSE_TIME, connection).await });
    }
}

/// Returns how far the server's clock is ahead of ours. We read our clock before and after the
/// server read its own. If the server's time lies between our two times, the clocks may agree, so
/// the result is 0.
fn difference(before: i64, theirs: i64, after: i64) -> i64 {
    let is_same = (before..=after).contains(&theirs);
    if is_same { 0 } else { theirs - (before + after) / 2 }
}

fn parameters(values: &[Value]) -> Parameters<'_> {
    let typed = values.iter().map(|value| match value {
        Value::Bytes(bytes) => (bytes as &(dyn ToSql + Sync), Type::BYTEA),
        Value::Text(text) => (text as &(dyn ToSql + Sync), Type::TEXT),
        Value::Number(number) => (number as &(dyn ToSql + Sync), Type::INT8),
    });
    typed.collect()
}

/// Returns a duration in milliseconds, the unit of the server's settings.
pub(super) fn setting(span: Duration) -> i64 {
    span_millis(span).min(i32::MAX.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_difference_between_clocks() {
        assert_eq!([10, 15, 20].map(|theirs| difference(10, theirs, 20)), [0; 3]);
        assert_eq!(difference(10, 9_015, 20), 9_000);
        assert_eq!(difference(9_010, 15, 9_020), -9_000);
    }
}
