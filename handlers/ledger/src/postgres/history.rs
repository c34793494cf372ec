//! The queries for the history that a decision needs.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use policy::{Event, Horizon, ReasonCode, RecordedHistory};
use tokio_postgres::Row;

use super::row::ServerRow;
use super::session::{Session, Statement};
use crate::facts::{CoveringPause, EachPast, Facts, RecordedRepair, Unended};
use crate::row::Columns;
use crate::value::{Value, object};
use crate::{Error, RepairOutcome, history, locks};

/// How many earlier repairs the first query reads. Most decisions need no more. If a decision needs
/// more, each further query reads twice as many repairs as the query before it.
const FIRST_PAGE: u32 = 16;

/// The records of one object at a site.
pub(super) struct SiteRecords<'a> {
    session: &'a Session,
    site: &'a str,
    local: &'a Path,
    origin: &'a str,
    host: Vec<u8>,
    service: Vec<u8>,
    /// The queries that will be sent together; `None` unless they are being collected.
    planned: RefCell<Option<Vec<Statement>>>,
    /// The queries that were sent together, with their rows.
    answered: RefCell<Vec<(Statement, SharedRows<'a>)>>,
}

/// The rows of a query that may be needed more than once.
type SharedRows<'a> = Rc<Vec<ServerRow<'a>>>;

/// A repair without a recorded end that no longer counts as running, because its lease is over and
/// its worker is dead.
pub(super) struct Lapsed {
    pub(super) job: String,
    pub(super) host: Vec<u8>,
    pub(super) lease_until: i64,
    /// Number of the rung that began last; 0 before the first rung.
    pub(super) rung: u32,
}

impl<'a> SiteRecords<'a> {
    /// Gives access to the records of an event's object. Without an event, only the queries about
    /// the whole fleet are useful. `origin` identifies this server, and `local` is the path of its
    /// local files.
    pub(super) fn new(
        session: &'a Session,
        site: &'a str,
        (local, origin): (&'a Path, &'a str),
        event: Option<&Event>,
    ) -> SiteRecords<'a> {
        let (host, service) = event.map(object).unwrap_or_default();
        let (planned, answered) = (RefCell::default(), RefCell::default());
        SiteRecords { session, site, local, origin, host, service, planned, answered }
    }

    /// Reads the server's clock and, at the same time, the open records.
    pub(super) fn read_clock(&self) -> Result<(), Error> {
        let planned = self.plan(|facts| facts.open(0).map(drop))?;
        let rows = self.session.read_clock(&planned)?;
        self.remember(planned, rows);
        Ok(())
    }

    /// Reads the history of the event's object. Sends most of the queries at once, because the site
    /// is locked until the decision has been made.
    pub(super) fn history(
        &self,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> Result<RecordedHistory, Error> {
        let read = || history::read(self, event, horizon, now);
        let planned = self.plan(|_| read().map(drop))?;
        let rows = self.session.all_rows(&planned)?;
        self.remember(planned, rows);
        read()
    }

    /// Returns the queries that `read` runs first. While `read` runs, no query is sent, and each
    /// returns no rows. Further queries that depend on rows are therefore missing from the result.
    /// They are sent later, one by one.
    fn plan(&self, read: impl FnOnce(&Self) -> Result<(), Error>) -> Result<Vec<Statement>, Error> {
        self.planned.replace(Some(Vec::new()));
        let read = read(self);
        let planned = self.planned.take().unwrap_or_default();
        read.map(|()| planned)
    }

    fn remember(&self, statements: Vec<Statement>, rows: Vec<Vec<Row>>) {
        let rows = rows.into_iter().map(|rows| Rc::new(self.session.own(rows)));
        self.answered.borrow_mut().extend(statements.into_iter().zip(rows));
    }

    /// Returns the rows of a query. Runs it unless it has been sent already.
    fn query(&self, sql: &str, keys: Vec<Value>) -> Result<SharedRows<'a>, Error> {
        let statement = (sql.to_owned(), keys);
        let answered = self.answered.borrow();
        if let Some((_, rows)) = answered.iter().find(|(known, _)| *known == statement) {
            return Ok(Rc::clone(rows));
        }
        if let Some(planned) = self.planned.borrow_mut().as_mut() {
            planned.push(statement);
            return Ok(Rc::default());
        }
        self.session.query(&statement.0, &statement.1).map(Rc::new)
    }

    /// Returns the parameters that select the object, followed by `more`.
    fn of_object(&self, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let object = [self.site.into(), self.host.clone().into(), self.service.clone().into()];
        object.into_iter().chain(more).collect()
    }

    /// Returns the repairs without a recorded end in two lists: those that count as running, and
    /// those that do not. Only the server that reserved a repair can see whether its processes are
    /// alive. On other servers, the repair counts as running until its lease is over.
    pub(super) fn open(&self, now: i64) -> Result<(Vec<Unended>, Vec<Lapsed>), Error> {
        let sql = "SELECT job, lease_until, host, service, reserved, origin, rung FROM repair \
                   WHERE site = $1 AND ended IS NULL";
        let (mut unended, mut lapsed) = (Vec::new(), Vec::new());
        for row in self.query(sql, vec![self.site.into()])?.iter() {
            let (job, host) = (row.text(0)?, row.bytes(2)?);
            let is_ours = row.text(5)? == self.origin;
            if row.integer(1)? > now || (is_ours && locks::is_alive(self.local, &job)) {
                let (service, reserved) = (row.bytes(3)?, row.integer(4)?);
                unended.push(Unended { job, host, service, reserved });
            } else {
                let rung = u32::try_from(row.integer(6)?).unwrap_or(u32::MAX);
                lapsed.push(Lapsed { job, host, lease_until: row.integer(1)?, rung });
            }
        }
        Ok((unended, lapsed))
    }

    fn refusal(&self, order: &str, after: i64, before: i64) -> Result<Option<i64>, Error> {
        let sql = format!(
            "SELECT at FROM refusal WHERE site = $1 AND host = $2 AND service = $3 AND at > $4 \
             AND at < $5 AND reason <> $6 ORDER BY at {order} LIMIT 1"
        );
        let repeated = ReasonCode::SameEvent.as_str();
        let keys = self.of_object([after.into(), before.into(), repeated.into()]);
        let rows = self.query(&sql, keys)?;
        rows.first().map(|row| row.integer(0)).transpose()
    }
}

impl Facts for SiteRecords<'_> {
    fn unended(&self, now: i64) -> Result<Vec<Unended>, Error> {
        Ok(self.open(now)?.0)
    }

    fn last_reset(&self, until: i64) -> Result<Option<i64>, Error> {
        let sql = "SELECT greatest( \
            (SELECT max(at) FROM reset \
             WHERE site = $1 AND host = $2 AND service = $3 AND at <= $4), \
            (SELECT max(at) FROM reset \
             WHERE site = $1 AND host = $2 AND service = '' AND at <= $4))";
        let rows = self.query(sql, self.of_object([until.into()]))?;
        Ok(rows.first().map(|row| row.number(0)).transpose()?.flatten())
    }

    fn pauses(&self, now: i64) -> Result<Vec<CoveringPause>, Error> {
        let sql = "SELECT by_whom, reason, until FROM pause WHERE site = $1 \
             AND host IN ('', $2) AND service IN ('', $3) AND (until IS NULL OR until > $4)";
        let rows = self.query(sql, self.of_object([now.into()]))?;
        let pause = |row: &ServerRow<'_>| {
            Ok(CoveringPause { by: row.text(0)?, reason: row.text(1)?, until: row.number(2)? })
        };
        rows.iter().map(pause).collect()
    }

    fn answered(
        &self,
        problem: &str,
        event: Option<&str>,
        since: i64,
    ) -> Result<Option<String>, Error> {
        // Each server counts its own problems, so another server's problem can have the same ID.
        let sql = "SELECT job FROM repair WHERE site = $1 AND host = $2 AND service = $3 \
             AND problem = $4 AND event = coalesce($5, event) AND reserved > $6 \
             AND coalesce(outcome, '') <> $7 AND origin = $8 ORDER BY reserved DESC LIMIT 1";
        let event = Value::Text(event.map(str::to_owned));
        let could_not_run = RepairOutcome::CouldNotRun.as_str().into();
        let keys = [problem.into(), event, since.into(), could_not_run, self.origin.into()];
        let rows = self.query(sql, self.of_object(keys))?;
        rows.first().map(|row| row.text(0)).transpose()
    }

    fn ended_after(&self, future: i64) -> Result<Option<(String, i64)>, Error> {
        // Without OFFSET 0, the planner would read all repairs of the object. With it, the planner
        // reads only repairs that ended in the future, and normally there are none.
        let sql = "SELECT job, ended FROM (SELECT job, ended, host, service FROM repair \
             WHERE site = $1 AND ended > $4 ORDER BY ended DESC OFFSET 0) AS ahead \
             WHERE host = $2 AND service = $3 LIMIT 1";
        let rows = self.query(sql, self.of_object([future.into()]))?;
        rows.first().map(|row| Ok((row.text(0)?, row.integer(1)?))).transpose()
    }

    fn started_since(&self, since: i64) -> Result<(u32, Option<i64>), Error> {
        let sql = "SELECT count(*), min(reserved) FROM repair WHERE site = $1 AND reserved > $2";
        let rows = self.query(sql, vec![self.site.into(), since.into()])?;
        let Some(row) = rows.first() else { return Ok((0, None)) };
        Ok((u32::try_from(row.integer(0)?).unwrap_or(u32::MAX), row.number(1)?))
    }

    fn each_past(&self, each: EachPast<'_>) -> Result<(), Error> {
        let sql = "SELECT job, reserved, coalesce(ended, lease_until), outcome, id FROM repair \
            WHERE site = $1 AND host = $2 AND service = $3 AND (reserved, id) < ($4, $5) \
            ORDER BY reserved DESC, id DESC LIMIT $6";
        let (mut before, mut size) = ((i64::MAX, i64::MAX), FIRST_PAGE);
        loop {
            let keys = self.of_object([before.0.into(), before.1.into(), size.into()]);
            let page = self.query(sql, keys)?;
            for row in page.iter() {
                before = (row.integer(1)?, row.integer(4)?);
                let outcome = row.text(3)?;
                let past = RecordedRepair {
                    job: row.text(0)?,
                    reserved: before.0,
                    ended: row.integer(2)?,
                    outcome: (!outcome.is_empty()).then_some(outcome),
                };
                if let ControlFlow::Break(()) = each(past)? {
                    return Ok(());
                }
            }
            if page.len() < size as usize {
                return Ok(());
            }
            size = size.saturating_mul(2);
        }
    }

    fn newest_refusal(&self, after: i64, before: i64) -> Result<Option<i64>, Error> {
        self.refusal("DESC", after, before)
    }

    fn oldest_refusal(&self, after: i64, before: i64) -> Result<Option<i64>, Error> {
        self.refusal("ASC", after, before)
    }

    fn after_gaps(&self, quiet: i64, after: i64) -> Result<Vec<i64>, Error> {
        let sql = "SELECT at FROM refusal \
             WHERE site = $1 AND host = $2 AND service = $3 AND gap >= $4 AND at > $5";
        let rows = self.query(sql, self.of_object([quiet.into(), after.into()]))?;
        rows.iter().map(|row| row.integer(0)).collect()
    }
}
