//! Queries for the repairs and refusals that match a filter, for display.

use std::ops::ControlFlow;

use policy::ReasonCode;
use rusqlite::{Row, params_from_iter};

use super::SqliteLedger;
use crate::row::{Columns, RECORD, lossy, record, refusal};
use crate::search::{Dialect, ObjectTally, Search, job_bounds, read_pages, refusal_totals};
use crate::{Error, Filter, Record, Refusal, RefusalTotals};

/// Returns the query for the newest jobs whose ID is at least ?1 and below ?2.
pub(super) fn jobs() -> String {
    format!("SELECT {RECORD} FROM repair WHERE job >= ?1 AND job < ?2 ORDER BY job DESC LIMIT 20")
}

impl SqliteLedger {
    pub(super) fn search_repairs(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let search = Search::repairs(filter, Dialect::Sqlite);
        self.search(&search, filter.limit, 13, |row| record(row, lossy), each)
    }

    pub(super) fn search_refusals(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Refusal) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let search = Search::refusals(filter, Dialect::Sqlite);
        self.search(&search, filter.limit, 6, |row| refusal(row, lossy), each)
    }

    /// Reads the records page by page. `key` is the index of the column that holds a row's time.
    /// The next column holds the row's ID.
    fn search<T>(
        &mut self,
        search: &Search<'_>,
        limit: Option<u32>,
        key: usize,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let keyed = |row: &Row<'_>| Ok(((row.get(key)?, row.get(key + 1)?), read(row)?));
        let mut read = |sql: &str, values: &[_]| {
            self.limit_time()?;
            self.rows(sql, params_from_iter(values), keyed)
        };
        read_pages(search, limit, &mut read, each)
    }

    pub(super) fn search_jobs(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        match job_bounds(prefix) {
            Some(bounds) => self.rows(&jobs(), params_from_iter(bounds), |row| record(row, lossy)),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn number_of_refusals(&self, filter: &Filter<'_>) -> Result<u32, Error> {
        let search = Search::refusals(filter, Dialect::Sqlite);
        let sql = search.select("count(*)", "");
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
        let search = Search::refusals(filter, Dialect::Sqlite);
        let columns = if by_object.is_some() { "reason, host, service, at" } else { "reason" };
        let mut reasons: Vec<(String, u32)> = Vec::new();
        let mut objects = ObjectTally::default();
        let count = |row: &Row<'_>| {
            let reason = row.raw(0)?.unwrap_or_default();
            match reasons.iter_mut().find(|(known, _)| known.as_bytes() == reason) {
                Some((_, count)) => *count += 1,
                None => reasons.push((lossy(row, 0)?, 1)),
            }
            if by_object.is_some_and(|of| reason == of.as_str().as_bytes()) {
                let at = row.get(3)?;
                let (host, service) = (row.raw(1)?, row.raw(2)?);
                objects.add(host.unwrap_or_default(), service.unwrap_or_default(), (1, at, at));
            }
            Ok(())
        };
        self.rows(&search.select(columns, ""), params_from_iter(&search.values), count)?;
        Ok(refusal_totals(reasons, objects, by_object, filter.limit))
    }
}
