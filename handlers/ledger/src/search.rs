//! Builds the queries that select repairs and refusals for display, and reads the results page by
//! page. Both stores use the same conditions.

use std::collections::HashMap;
use std::ops::ControlFlow;

use policy::{ReasonCode, spell};

use crate::row::{RECORD, REFUSAL};
use crate::value::{Value, bytes, given, millis, time};
use crate::{Error, Filter, RecordedReason, RefusalCount, RefusalTotals, RepairState, Which};

/// How many records one query reads. The caller receives the records only after the query has
/// ended. If a query stayed open while the program waits for its terminal, SQLite could not clear
/// the write-ahead log.
const PAGE: u32 = 1000;
/// How many records one query for a whole host reads. The index orders them by service and not by
/// time, so SQLite sorts all records of the host for each page. A larger page means fewer sorts.
const PAGE_OF_HOST: u32 = 20_000;

/// The SQL dialect of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dialect<'a> {
    /// SQLite. A query names the index to use, because the planner would otherwise read the whole
    /// table to avoid a sort.
    Sqlite,
    /// PostgreSQL. A query selects only the records of this site.
    Postgres(&'a str),
}

/// Returns the bounds of the job IDs that start with `prefix`. The first bound is inclusive, the
/// second exclusive. Returns `None` if no job ID can start with `prefix`.
pub(crate) fn job_bounds(prefix: &str) -> Option<[Value; 2]> {
    // Job IDs contain only these characters, and all of them sort before '{'.
    let is_possible = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let bounds = || [Value::from(prefix), Value::from(format!("{prefix}{{").as_str())];
    prefix.bytes().all(is_possible).then(bounds)
}

/// The time and the ID of a row. Pages are ordered by these two values.
pub(crate) type RowKey = (i64, i64);

/// A function that runs a query and returns each row with its key.
pub(crate) type ReadPage<'a, T> =
    &'a mut dyn FnMut(&str, &[Value]) -> Result<Vec<(RowKey, T)>, Error>;

/// Reads records page by page. Each page continues after the last row of the previous page.
pub(crate) fn read_pages<T>(
    search: &Search,
    limit: Option<u32>,
    read: ReadPage<'_, T>,
    each: &mut dyn FnMut(T) -> ControlFlow<()>,
) -> Result<(), Error> {
    let (sql, mut after, mut left) = (search.page(), (i64::MAX, i64::MAX), limit);
    while left != Some(0) {
        let size = left.map_or(search.size, |left| left.min(search.size));
        let keys = [after.0.into(), after.1.into(), size.into()];
        let values: Vec<Value> = search.values.iter().cloned().chain(keys).collect();
        let page = read(&sql, &values)?;
        let is_last = page.len() < size as usize;
        for (key, found) in page {
            after = key;
            if each(found).is_break() {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
        left = left.map(|left| left - size);
    }
    Ok(())
}

/// A number of refusals, and the times of the first and the last one.
pub(crate) type CountAndTimes = (u32, i64, i64);

/// For each host and service, the number of refusals and the times of the first and the last one.
#[derive(Default)]
pub(crate) struct ObjectTally(HashMap<Vec<u8>, HashMap<Vec<u8>, CountAndTimes>>);

impl ObjectTally {
    /// Adds a number of refusals of an object, with the times of the first and the last one.
    pub(crate) fn add(&mut self, host: &[u8], service: &[u8], counted: CountAndTimes) {
        // Most objects are counted many times, so copy their name only the first time.
        if !self.0.contains_key(host) {
            self.0.insert(host.to_vec(), HashMap::new());
        }
        let Some(services) = self.0.get_mut(host) else { return };
        match services.get_mut(service) {
            Some((count, first, last)) => {
                *count += counted.0;
                (*first, *last) = (counted.1.min(*first), counted.2.max(*last));
            }
            None => drop(services.insert(service.to_vec(), counted)),
        }
    }

    /// Returns the objects with the most refusals, but no more than `limit` objects.
    fn most(self, reason: ReasonCode, limit: Option<u32>) -> Vec<RefusalCount> {
        let pairs = self.0.iter().flat_map(|(host, services)| {
            services.iter().map(move |(service, counts)| (counts, host, service))
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by(|a, b| (b.0.0, a.1, a.2).cmp(&(a.0.0, b.1, b.2)));
        pairs.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
        let counted =
            |((count, first, last), host, service): (&CountAndTimes, &Vec<u8>, &Vec<u8>)| {
                RefusalCount {
                    host: spell(host),
                    service: given(spell(service)),
                    reason: reason.as_str().to_owned().into(),
                    count: *count,
                    first: time(*first),
                    last: time(*last),
                }
            };
        pairs.into_iter().map(counted).collect()
    }
}

/// Returns the number of refusals for each reason, and the objects with the most refusals for the
/// reason `by_object`, but no more than `limit` objects.
pub(crate) fn refusal_totals(
    reasons: Vec<(String, u32)>,
    objects: ObjectTally,
    by_object: Option<ReasonCode>,
    limit: Option<u32>,
) -> RefusalTotals {
    let mut reasons: Vec<(RecordedReason, u32)> =
        reasons.into_iter().map(|(reason, count)| (reason.into(), count)).collect();
    reasons.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let all_objects = objects.0.values().map(HashMap::len).sum();
    let objects = by_object.map(|of| objects.most(of, limit)).unwrap_or_default();
    RefusalTotals { reasons, objects, all_objects }
}

/// The table and the WHERE terms with which a query finds the records that match a filter. `values`
/// holds the values for the placeholders in the terms, in the same order. Values never become part
/// of the SQL text.
pub(crate) struct Search<'a> {
    dialect: Dialect<'a>,
    table: &'static str,
    columns: &'static str,
    /// The column with the time of a record. Records with the same time are ordered by the column
    /// `id`.
    time: &'static str,
    id: &'static str,
    index: &'static str,
    /// Number of records in a page.
    size: u32,
    terms: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl<'a> Search<'a> {
    pub(crate) fn repairs(filter: &Filter<'_>, dialect: Dialect<'a>) -> Search<'a> {
        let mut search = Search {
            dialect,
            table: "repair",
            columns: RECORD,
            time: "reserved",
            id: match dialect {
                Dialect::Sqlite => "rowid",
                Dialect::Postgres(_) => "id",
            },
            index: match (filter.which, filter.states) {
                (_, [RepairState::Running]) => "repair_running",
                (Which::All, _) => "repair_by_time",
                (Which::Host(_) | Which::Object(..), _) => "repair_by_object",
            },
            size: PAGE,
            terms: Vec::new(),
            values: Vec::new(),
        };
        search.narrow(filter);
        search.narrow_states(filter.states);
        search
    }

    pub(crate) fn refusals(filter: &Filter<'_>, dialect: Dialect<'a>) -> Search<'a> {
        let mut search = Search {
            dialect,
            table: "refusal",
            columns: REFUSAL,
            time: "at",
            id: "id",
            index: match filter.which {
                Which::All => "refusal_by_time",
                Which::Host(_) | Which::Object(..) => "refusal_by_object",
            },
            size: PAGE,
            terms: Vec::new(),
            values: Vec::new(),
        };
        search.narrow(filter);
        search
    }

    /// Adds the terms for the site, objects and times, which repairs and refusals have in common.
    fn narrow(&mut self, filter: &Filter<'_>) {
        if let Dialect::Postgres(site) = self.dialect {
            self.and("site = ?", site.into());
        }
        match filter.which {
            Which::All => {}
            Which::Host(host) => {
                self.size = PAGE_OF_HOST;
                self.and("host = ?", bytes(Some(host)).into());
            }
            Which::Object(host, service) => {
                self.and("host = ?", bytes(Some(host)).into());
                self.and("service = ?", bytes(service).into());
            }
        }
        if let Some(since) = filter.since {
            self.and(&format!("{} >= ?", self.time), millis(since).into());
        }
        if let Some(until) = filter.until {
            self.and(&format!("{} < ?", self.time), millis(until).into());
        }
    }

    fn narrow_states(&mut self, states: &[RepairState]) {
        let outcomes = states.iter().filter_map(|state| match state {
            RepairState::Running => None,
            RepairState::Ended(outcome) => Some(Value::from(outcome.as_str())),
        });
        let outcomes: Vec<Value> = outcomes.collect();
        let ended = format!("outcome IN ({})", vec!["?"; outcomes.len()].join(", "));
        match (states.contains(&RepairState::Running), outcomes.is_empty()) {
            (false, true) => return,
            (true, true) => self.terms.push("ended IS NULL".into()),
            (true, false) => self.terms.push(format!("(ended IS NULL OR {ended})")),
            (false, false) => self.terms.push(ended),
        }
        self.values.extend(outcomes);
    }

    pub(crate) fn and(&mut self, term: &str, value: Value) {
        self.terms.push(term.into());
        self.values.push(value);
    }

    /// Returns a query for `columns` of all records that match. The SQL in `end` is appended.
    pub(crate) fn select(&self, columns: &str, end: &str) -> String {
        let index = match self.dialect {
            Dialect::Sqlite => format!(" INDEXED BY {}", self.index),
            Dialect::Postgres(_) => String::new(),
        };
        let filter = if self.terms.is_empty() { "" } else { " WHERE " };
        let terms = self.terms.join(" AND ");
        let sql = format!("SELECT {columns} FROM {}{index}{filter}{terms} {end}", self.table);
        match self.dialect {
            Dialect::Sqlite => sql,
            Dialect::Postgres(_) => number_placeholders(&sql),
        }
    }

    /// Returns the query for one page. Its last three parameters are the time and the ID of the
    /// last row on the previous page, and the number of rows on a page. Its last two columns are
    /// the time and the ID of a row.
    pub(crate) fn page(&self) -> String {
        let Search { columns, time, id, .. } = self;
        let and = if self.terms.is_empty() { "WHERE" } else { "AND" };
        let end = format!("{and} ({time}, {id}) < (?, ?) ORDER BY {time} DESC, {id} DESC LIMIT ?");
        self.select(&format!("{columns}, {time}, {id}"), &end)
    }
}

/// Replaces the `?` placeholders with PostgreSQL's `$1`, `$2` and so on.
fn number_placeholders(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    (1..).zip(parts).fold(first, |sql, (n, part)| format!("{sql}${n}{part}"))
}
