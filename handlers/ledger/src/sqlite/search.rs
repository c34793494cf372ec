//! Queries that select repairs and refusals for display, with a filter. Each query names its index,
//! because SQLite's planner would read the whole table to save a sort.

use std::collections::HashMap;
use std::ops::ControlFlow;

use policy::{ReasonCode, spell};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::SqliteLedger;
use super::row::{RECORD, REFUSAL, bytes, given, lossy, millis, record, refusal, time};
use crate::{
    Error, Filter, Record, RecordedReason, Refusal, RefusalCount, RefusalTotals, RepairState, Which,
};

/// How many records one query reads. The caller gets them only after the query has ended.
/// Otherwise, a program that waits for its terminal would keep SQLite from clearing the write-ahead
/// log.
const PAGE: u32 = 1000;
/// How many records one query for a whole host reads. The index orders them by service, so SQLite
/// sorts all records of the host for each page. A larger page means fewer sorts.
const PAGE_OF_HOST: u32 = 20_000;

/// Returns the query for the last jobs whose ID is at least ?1 and below ?2.
pub(super) fn jobs() -> String {
    format!("{RECORD} WHERE job >= ?1 AND job < ?2 ORDER BY job DESC LIMIT 20")
}

impl SqliteLedger {
    pub(super) fn search_repairs(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.search(&Search::repairs(filter), filter.limit, |row| record(row, lossy), each)
    }

    pub(super) fn search_refusals(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Refusal) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.search(&Search::refusals(filter), filter.limit, |row| refusal(row, lossy), each)
    }

    /// Reads records page by page. Each page continues after the last row of the previous page.
    fn search<T>(
        &mut self,
        search: &Search,
        limit: Option<u32>,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (sql, columns) = (search.page(), (search.time, search.id));
        let keyed = |row: &Row<'_>| Ok((row.get(columns.0)?, row.get(columns.1)?, read(row)?));
        let (mut after, mut left) = ((i64::MAX, i64::MAX), limit);
        while left != Some(0) {
            let size = left.map_or(search.size, |left| left.min(search.size));
            let keys = [after.0, after.1, size.into()].map(Value::Integer);
            self.limit_time()?;
            let page =
                self.rows(&sql, params_from_iter(search.values.iter().chain(&keys)), keyed)?;
            let is_last = page.len() < size as usize;
            for (at, id, found) in page {
                after = (at, id);
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

    pub(super) fn search_jobs(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        // Job IDs contain only these characters, so no ID starts with any other prefix. All of them
        // sort before '{', so `prefix` followed by '{' is the upper bound.
        if !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Ok(Vec::new());
        }
        self.rows(&jobs(), [prefix, &format!("{prefix}{{")], |row| record(row, lossy))
    }

    pub(super) fn number_of_refusals(&self, filter: &Filter<'_>) -> Result<u32, Error> {
        let search = Search::refusals(filter);
        let sql = format!("SELECT count(*) FROM refusal {}", search.clause());
        let counts = self.rows(&sql, params_from_iter(&search.values), |row| row.get(0))?;
        Ok(counts.into_iter().next().unwrap_or(0))
    }

    /// Counts refusals in Rust and not in SQL, because SQLite would sort all refusals in order to
    /// group them.
    pub(super) fn totals_of_refusals(
        &self,
        filter: &Filter<'_>,
        by_object: Option<ReasonCode>,
    ) -> Result<RefusalTotals, Error> {
        let search = Search::refusals(filter);
        let object = if by_object.is_some() { ", host, service, at" } else { "" };
        let sql = format!("SELECT reason{object} FROM refusal {}", search.clause());
        let mut reasons: Vec<(String, u32)> = Vec::new();
        let mut objects = ObjectTally::default();
        let count = |row: &Row<'_>| {
            let reason = row.get_ref(0)?.as_bytes()?;
            match reasons.iter_mut().find(|(known, _)| known.as_bytes() == reason) {
                Some((_, count)) => *count += 1,
                None => reasons.push((lossy(row, 0)?, 1)),
            }
            if by_object.is_some_and(|of| reason == of.as_str().as_bytes()) {
                objects.count(row)?;
            }
            Ok(())
        };
        self.rows(&sql, params_from_iter(&search.values), count)?;
        let mut reasons: Vec<(RecordedReason, u32)> =
            reasons.into_iter().map(|(reason, count)| (reason.into(), count)).collect();
        reasons.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        let all_objects = objects.0.values().map(HashMap::len).sum();
        let objects = by_object.map(|of| objects.most(of, filter.limit)).unwrap_or_default();
        Ok(RefusalTotals { reasons, objects, all_objects })
    }
}

/// A number of refusals, and the times of the first and the last one.
type CountAndTimes = (u32, i64, i64);

/// For each host and service, the number of refusals and the times of the first and the last one.
#[derive(Default)]
struct ObjectTally(HashMap<Vec<u8>, HashMap<Vec<u8>, CountAndTimes>>);

impl ObjectTally {
    /// Counts a row. Its columns from 1 on hold the host, the service and the time.
    fn count(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let (host, service) = (row.get_ref(1)?.as_bytes()?, row.get_ref(2)?.as_bytes()?);
        let at: i64 = row.get(3)?;
        // Most objects are counted many times, so copy their name only the first time.
        if !self.0.contains_key(host) {
            self.0.insert(host.to_vec(), HashMap::new());
        }
        let Some(services) = self.0.get_mut(host) else { return Ok(()) };
        match services.get_mut(service) {
            Some((count, first, last)) => {
                (*count, *first, *last) = (*count + 1, at.min(*first), at.max(*last));
            }
            None => drop(services.insert(service.to_vec(), (1, at, at))),
        }
        Ok(())
    }

    /// Returns the objects with the most refusals, at most `limit`.
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

/// The index and the WHERE terms with which a query finds the records that match a filter. `values`
/// holds the values for the placeholders in the terms, in the same order. Values never become part
/// of the SQL text.
pub(super) struct Search {
    select: &'static str,
    /// The column with the time of a record. Records with the same time are ordered by the column
    /// `id`.
    time: &'static str,
    id: &'static str,
    index: &'static str,
    /// Number of records in a page.
    size: u32,
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Search {
    pub(super) fn repairs(filter: &Filter<'_>) -> Search {
        let mut search = Search {
            select: RECORD,
            time: "reserved",
            id: "rowid",
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

    pub(super) fn refusals(filter: &Filter<'_>) -> Search {
        let mut search = Search {
            select: REFUSAL,
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

    /// Adds the terms for objects and times, which repairs and refusals have in common.
    fn narrow(&mut self, filter: &Filter<'_>) {
        match filter.which {
            Which::All => {}
            Which::Host(host) => {
                self.size = PAGE_OF_HOST;
                self.and("host = ?", Value::Blob(bytes(Some(host))));
            }
            Which::Object(host, service) => {
                self.and("host = ?", Value::Blob(bytes(Some(host))));
                self.and("service = ?", Value::Blob(bytes(service)));
            }
        }
        if let Some(since) = filter.since {
            self.and(&format!("{} >= ?", self.time), Value::Integer(millis(since)));
        }
        if let Some(until) = filter.until {
            self.and(&format!("{} < ?", self.time), Value::Integer(millis(until)));
        }
    }

    fn narrow_states(&mut self, states: &[RepairState]) {
        let outcomes = states.iter().filter_map(|state| match state {
            RepairState::Running => None,
            RepairState::Ended(outcome) => Some(Value::Text(outcome.as_str().into())),
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

    fn and(&mut self, term: &str, value: Value) {
        self.terms.push(term.into());
        self.values.push(value);
    }

    /// Returns the index and the WHERE clause.
    fn clause(&self) -> String {
        let filter = if self.terms.is_empty() { "" } else { " WHERE " };
        format!("INDEXED BY {}{filter}{}", self.index, self.terms.join(" AND "))
    }

    /// Returns the query for one page. Its last three parameters are the time and the ID of the row
    /// before the page, and the size of the page.
    pub(super) fn page(&self) -> String {
        let Search { select, time, id, .. } = self;
        let and = if self.terms.is_empty() { "WHERE" } else { "AND" };
        format!(
            "{select} {} {and} ({time}, {id}) < (?, ?) ORDER BY {time} DESC, {id} DESC LIMIT ?",
            self.clause()
        )
    }
}
