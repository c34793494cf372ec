//! Reads the columns of rows that PostgreSQL returned.

use std::error::Error as StdError;
use std::string::FromUtf8Error;
use std::time::SystemTime;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::session::Session;
use crate::Error;
use crate::row::Columns;
use crate::server_fault::ServerFault;
use crate::value::Value;

/// A row, and the session that returned it.
pub(super) struct ServerRow<'a> {
    row: Row,
    session: &'a Session,
}

impl Session {
    /// Runs a query and returns its rows.
    pub(super) fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<ServerRow<'_>>, Error> {
        Ok(self.own(self.rows(sql, values)?))
    }

    /// Adds the session to its rows.
    pub(super) fn own(&self, rows: Vec<Row>) -> Vec<ServerRow<'_>> {
        rows.into_iter().map(|row| ServerRow { row, session: self }).collect()
    }
}

/// The bytes of a text or of a name.
struct RawBytes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for RawBytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(RawBytes(raw))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::BYTEA | Type::TEXT)
    }
}

impl ServerRow<'_> {
    fn get<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<Option<T>, Error> {
        let failed = |why| self.session.failed(ServerFault::Failed(why));
        self.row.try_get(column).map_err(failed)
    }

    /// Returns a text, or an empty string for NULL.
    pub(super) fn text(&self, column: usize) -> Result<String, Error> {
        Ok(self.get(column)?.unwrap_or_default())
    }

    /// Returns bytes, or an empty vector for NULL.
    pub(super) fn bytes(&self, column: usize) -> Result<Vec<u8>, Error> {
        Ok(self.get(column)?.unwrap_or_default())
    }

    /// Returns a number, or 0 for NULL.
    pub(super) fn integer(&self, column: usize) -> Result<i64, Error> {
        Ok(self.get(column)?.unwrap_or_default())
    }
}

impl Columns for ServerRow<'_> {
    type Failure = Error;

    fn raw(&self, column: usize) -> Result<Option<&[u8]>, Error> {
        Ok(self.get::<RawBytes<'_>>(column)?.map(|raw| raw.0))
    }

    fn number(&self, column: usize) -> Result<Option<i64>, Error> {
        self.get(column)
    }

    /// Never called in practice, because PostgreSQL stores texts only as valid UTF-8.
    fn not_utf8(&self, _: usize, why: FromUtf8Error) -> Error {
        self.session.failed(ServerFault::Encoding(why.to_string()))
    }

    fn time(&self, column: usize) -> Result<Option<SystemTime>, Error> {
        Ok(self.number(column)?.map(|millis| self.session.local_time(millis)))
    }
}
