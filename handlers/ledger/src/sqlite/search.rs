//! Queries of repairs and refusals for display, with a filter.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::SqliteLedger;
use super::row::{RECORD, REFUSAL, bytes, given, lossy, millis, name, record, refusal, time};
use crate::{Error, Filter, Record, Refusal, RefusalCount, RepairState, Which};

impl SqliteLedger {
    pub(super) fn search_repairs(&self, filter: &Filter<'_>) -> Result<Vec<Record>, Error> {
        let mut terms = WhereClause::of(filter, "reserved");
        match filter.state {
            None => {}
            Some(RepairState::Running) => terms.is("outcome IS NULL"),
            Some(RepairState::Ended(outcome)) => {
                terms.and("outcome = ?", Value::Text(outcome.as_str().into()))
            }
        }
        let sql =
            format!("{RECORD}{} ORDER BY reserved DESC, rowid DESC{}", terms.sql(), limit(filter));
        self.rows(&sql, params_from_iter(&terms.values), |row| record(row, lossy))
    }

    pub(super) fn search_refusals(&self, filter: &Filter<'_>) -> Result<Vec<Refusal>, Error> {
        let terms = WhereClause::of(filter, "at");
        let sql = format!("{REFUSAL}{} ORDER BY at DESC, id DESC{}", terms.sql(), limit(filter));
        self.rows(&sql, params_from_iter(&terms.values), |row| refusal(row, lossy))
    }

    pub(super) fn count_refusals(&self, filter: &Filter<'_>) -> Result<Vec<RefusalCount>, Error> {
        let terms = WhereClause::of(filter, "at");
        let sql = format!(
            "SELECT host, service, reason, count(*) AS many, min(at), max(at) FROM refusal{} \
             GROUP BY host, service, reason ORDER BY many DESC, host, service, reason{}",
            terms.sql(),
            limit(filter)
        );
        self.rows(&sql, params_from_iter(&terms.values), |row| {
            Ok(RefusalCount {
                host: name(row, 0)?,
                service: given(name(row, 1)?),
                reason: lossy(row, 2)?.into(),
                count: row.get(3)?,
                first: time(row.get(4)?),
                last: time(row.get(5)?),
            })
        })
    }
}

fn limit(filter: &Filter<'_>) -> String {
    filter.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default()
}

/// The terms of a WHERE clause, and the values for their placeholders in the same order. Values
/// never become part of the SQL text.
#[derive(Default)]
struct WhereClause {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl WhereClause {
    fn of(filter: &Filter<'_>, time_column: &str) -> WhereClause {
        let mut terms = WhereClause::default();
        match filter.which {
            Which::All => {}
            Which::Host(host) => terms.and("host = ?", Value::Blob(bytes(Some(host)))),
            Which::Object(host, service) => {
                terms.and("host = ?", Value::Blob(bytes(Some(host))));
                terms.and("service = ?", Value::Blob(bytes(service)));
            }
        }
        if let Some(since) = filter.since {
            terms.and(&format!("{time_column} >= ?"), Value::Integer(millis(since)));
        }
        if let Some(until) = filter.until {
            terms.and(&format!("{time_column} < ?"), Value::Integer(millis(until)));
        }
        terms
    }

    fn is(&mut self, term: &str) {
        self.terms.push(term.into());
    }

    fn and(&mut self, term: &str, value: Value) {
        self.is(term);
        self.values.push(value);
    }

    fn sql(&self) -> String {
        if self.terms.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.terms.join(" AND "))
        }
    }
}
