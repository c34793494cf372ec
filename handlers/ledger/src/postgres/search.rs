//! Queries for the repairs and refusals that match a filter, for display.

use std::ops::ControlFlow;

use policy::ReasonCode;

use super::PostgresLedger;
use super::row::ServerRow;
use crate::row::{RECORD, lossy, record, refusal};
use crate::search::{Dialect, ObjectTally, Search, job_bounds, read_pages, refusal_totals};
use crate::value::Value;
use crate::{Error, Filter, Record, Refusal, RefusalTotals};

/// Returns the query for the newest jobs of the site $1 whose ID is at least $2 and below $3.
pub(super) fn jobs() -> String {
    format!(
        "SELECT {RECORD} FROM repair WHERE site = $1 AND job >= $2 AND job < $3 \
         ORDER BY job DESC LIMIT 20"
    )
}

impl PostgresLedger {
    pub(super) fn search_repairs(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (filter, site) = (self.on_server_clock(filter)?, self.config.site.clone());
        let search = Search::repairs(&filter, Dialect::Postgres(&site));
        self.search(&search, filter.limit, 13, |row| record(row, lossy), each)
    }

    pub(super) fn search_refusals(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Refusal) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (filter, site) = (self.on_server_clock(filter)?, self.config.site.clone());
        let search = Search::refusals(&filter, Dialect::Postgres(&site));
        self.search(&search, filter.limit, 6, |row| refusal(row, lossy), each)
    }

    /// Reads the records page by page. `key` is the index of the column that holds a row's time.
    /// The next column holds the row's ID.
    fn search<T>(
        &mut self,
        search: &Search<'_>,
        limit: Option<u32>,
        key: usize,
        read: fn(&ServerRow<'_>) -> Result<T, Error>,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut page = |sql: &str, values: &[Value]| {
            self.all(sql, values, |row| {
                Ok(((row.integer(key)?, row.integer(key + 1)?), read(row)?))
            })
        };
        read_pages(search, limit, &mut page, each)
    }

    pub(super) fn search_jobs(&mut self, prefix: &str) -> Result<Vec<Record>, Error> {
        let Some([from, below]) = job_bounds(prefix) else { return Ok(Vec::new()) };
        let keys = [self.site(), from, below];
        self.all(&jobs(), &keys, |row| record(row, lossy))
    }

    pub(super) fn number_of_refusals(&mut self, filter: &Filter<'_>) -> Result<u32, Error> {
        let (filter, site) = (self.on_server_clock(filter)?, self.config.site.clone());
        let search = Search::refusals(&filter, Dialect::Postgres(&site));
        let count = self.session.number(&search.select("count(*)", ""), &search.values)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    pub(super) fn totals_of_refusals(
        &mut self,
        filter: &Filter<'_>,
        by_object: Option<ReasonCode>,
    ) -> Result<RefusalTotals, Error> {
        let (filter, site) = (self.on_server_clock(filter)?, self.config.site.clone());
        let mut search = Search::refusals(&filter, Dialect::Postgres(&site));
        let count = |row: &ServerRow<'_>, column| {
            Ok::<_, Error>(u32::try_from(row.integer(column)?).unwrap_or(u32::MAX))
        };
        let sql = search.select("reason, count(*)", "GROUP BY reason");
        let reasons = self.all(&sql, &search.values, |row| Ok((row.text(0)?, count(row, 1)?)))?;
        let mut objects = ObjectTally::default();
        if let Some(of) = by_object {
            search.and("reason = ?", of.as_str().into());
            let columns = "host, service, count(*), min(at), max(at)";
            let sql = search.select(columns, "GROUP BY host, service");
            let ahead = self.session.ahead();
            for row in self.session.query(&sql, &search.values)? {
                let [first, last] = [row.integer(3)? - ahead, row.integer(4)? - ahead];
                objects.add(&row.bytes(0)?, &row.bytes(1)?, (count(&row, 2)?, first, last));
            }
        }
        Ok(refusal_totals(reasons, objects, by_object, filter.limit))
    }

    /// Returns the filter with its times converted to the server's clock.
    fn on_server_clock<'a>(&mut self, filter: &Filter<'a>) -> Result<Filter<'a>, Error> {
        let session = self.connected()?;
        let [since, until] =
            [filter.since, filter.until].map(|at| at.map(|at| session.server_time(at)));
        Ok(Filter { since, until, ..*filter })
    }
}
