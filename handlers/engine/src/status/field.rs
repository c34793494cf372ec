//! Parses fields of the status file, which have the form `name=value`.

use std::time::{Duration, SystemTime};

use memchr::memchr;

/// Splits a field into name and value. Returns `None` if the field has no `=`.
pub fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = field.split_at_checked(memchr(b'=', field)?)?;
    Some((name, value.get(1..)?))
}

/// Parses a number. Returns 0 if the value is not a number.
pub fn number<N: std::str::FromStr + Default>(value: &[u8]) -> N {
    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Parses a time in seconds since 1970. Returns `UNIX_EPOCH` if the value is not a time.
pub fn time(value: &[u8]) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(number(value)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
