//! A connection to PostgreSQL. Each call has a deadline.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::task::Poll;
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

/// A statement and its parameters.
pub(super) type Statement = (String, Vec<Value>);

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

    /// Like [`Session::failed`], but also marks the session as unusable.
    pub(super) fn given_up(&self, why: ServerFault) -> Error {
        self.is_broken.set(true);
        self.failed(why)
    }

    /// Returns [`Error::NoSite`]. `why` says what the database lacks.
    pub(super) fn no_site(&self, why: String) -> Error {
        let (server, database) = (self.server.clone(), self.database.clone());
        Error::NoSite { server, database, why }
    }

    /// Sends several statements at once, which takes only one round trip, and returns the rows of
    /// each. The server runs them in this order.
    fn pipeline(
        &self,
        limit: Duration,
        statements: &[Statement],
    ) -> Result<Vec<Vec<Row>>, ServerFault> {
        let client = self.client.as_ref().ok_or(ServerFault::NoAnswer(Duration::ZERO))?;
        let values: Vec<_> = statements.iter().map(|(_, values)| parameters(values)).collect();
        let statements = statements.iter().zip(&values);
        let mut answers: Vec<_> = statements
            .map(|((sql, _), values)| (Box::pin(client.query_typed(sql, values)), None))
            .collect();
        // tokio-postgres sends a statement when its future is polled for the first time.
        let all = poll_fn(|cx| {
            let mut is_complete = true;
            for (answer, rows) in answers.iter_mut().filter(|(_, rows)| rows.is_none()) {
                match answer.as_mut().poll(cx) {
                    Poll::Ready(received) => *rows = Some(received),
                    Poll::Pending => is_complete = false,
                }
            }
            if is_complete { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        self.wait(limit, all)?;
        let rows = answers.into_iter().filter_map(|(_, rows)| rows);
        let rows = rows.collect::<Result<Vec<_>, _>>().map_err(ServerFault::from);
        rows.inspect_err(|why| self.is_broken.set(self.is_broken.get() || why.is_final()))
    }

    /// Sends several queries at once, and returns the rows of each.
    pub(super) fn all_rows(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Error> {
        self.pipeline(self.call_time, statements).map_err(|why| self.failed(why))
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

    /// Runs the last statements of a transaction and commits it. If one of them fails, the server
    /// rolls the transaction back.
    ///
    /// # Errors
    /// Returns [`Error::Unconfirmed`] if it is unknown whether the server has committed.
    pub(super) fn commit(&self, mut last: Vec<Statement>) -> Result<(), Error> {
        last.push(("COMMIT".to_owned(), Vec::new()));
        self.pipeline(self.commit_time, &last).map(drop).map_err(|fault| match &fault {
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

    /// Like [`Session::commit`], but does not wait for the disk or a standby. A crash or a failover
    /// may undo the commit.
    pub(super) fn commit_unflushed(&self, last: Vec<Statement>) -> Result<(), Error> {
        let setting = ("SET LOCAL synchronous_commit = off".to_owned(), Vec::new());
        let commit = ("COMMIT".to_owned(), Vec::new());
        let all: Vec<Statement> =
            std::iter::once(setting).chain(last).chain(std::iter::once(commit)).collect();
        self.all_rows(&all).map(drop)
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

    /// Reads the server's clock and, at the same time, runs more queries. Returns their rows.
    pub(super) fn read_clock(&self, more: &[Statement]) -> Result<Vec<Vec<Row>>, Error> {
        let sql = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let mut all = vec![(sql.to_owned(), Vec::new())];
        all.extend_from_slice(more);
        let before = millis(SystemTime::now());
        let mut rows = self.all_rows(&all)?.into_iter();
        let after = millis(SystemTime::now());
        let theirs = rows.next().unwrap_or_default();
        let theirs = theirs.first().map(|row| row.try_get(0)).transpose();
        let theirs = theirs.map_err(|why| self.failed(ServerFault::Failed(why)))?;
        self.ahead.set(difference(before, theirs.unwrap_or(after), after));
        Ok(rows.collect())
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

    /// Returns the number in the only row of a query, or 0 if the number is NULL or there is no
    /// row.
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
