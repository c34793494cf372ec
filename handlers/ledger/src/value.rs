//! Converts between Rust types and the values that the stores contain: names, texts and times.

use std::time::{Duration, SystemTime};

use policy::{Event, unspell};

/// A parameter of an SQL statement. Values never become part of the SQL text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Bytes, for example the name of a host; `None` is NULL.
    Bytes(Option<Vec<u8>>),
    /// A text; `None` is NULL.
    Text(Option<String>),
    /// A number, or a time in milliseconds since 1970 (UTC); `None` is NULL.
    Number(Option<i64>),
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Value {
        Value::Bytes(Some(bytes))
    }
}

impl From<&str> for Value {
    /// Replaces NUL characters, which PostgreSQL cannot store in a text.
    fn from(text: &str) -> Value {
        Value::Text(Some(text.replace('\0', "\u{fffd}")))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(Some(number.into()))
    }
}

/// Returns the bytes of an encoded name, or no bytes for `None`.
pub(crate) fn bytes(name: Option<&str>) -> Vec<u8> {
    unspell(name.unwrap_or_default())
}

/// Returns the text, or `None` if it is empty.
pub(crate) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Returns a time in milliseconds since 1970 (UTC), or 0 for a time before 1970.
pub(crate) fn millis(at: SystemTime) -> i64 {
    span_millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

pub(crate) fn span_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn time(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Returns the time that has passed since `at`. If `at` is in the future, returns zero. The record
/// at this time then counts as new, and a new record never makes the rules allow a repair that they
/// would otherwise refuse.
pub(crate) fn age(at: i64, now: SystemTime) -> Duration {
    now.duration_since(time(at)).unwrap_or(Duration::ZERO)
}

/// Returns the host and service of an event as the ledger stores them.
pub(crate) fn object(event: &Event) -> (Vec<u8>, Vec<u8>) {
    (bytes(Some(&event.host)), bytes(event.service.as_deref()))
}
