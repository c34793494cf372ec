//! Reads the columns of rows that SQLite returned.

use std::string::FromUtf8Error;

use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result, Row, ToSql};

use crate::row::Columns;
use crate::value::Value;

impl Columns for Row<'_> {
    type Failure = Error;

    fn raw(&self, column: usize) -> Result<Option<&[u8]>> {
        match self.get_ref(column)? {
            ValueRef::Null => Ok(None),
            value => Ok(Some(value.as_bytes()?)),
        }
    }

    fn number(&self, column: usize) -> Result<Option<i64>> {
        self.get(column)
    }

    fn not_utf8(&self, column: usize, why: FromUtf8Error) -> Error {
        Error::FromSqlConversionFailure(column, Type::Blob, Box::new(why))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        match self {
            Value::Bytes(bytes) => bytes.to_sql(),
            Value::Text(text) => text.to_sql(),
            Value::Number(number) => number.to_sql(),
        }
    }
}
