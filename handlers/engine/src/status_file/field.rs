//! A field of the status file: `name=value`.

use std::time::{Duration, SystemTime};

/// Name and value; `None` without a `=`.
pub fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = field.split_at(field.iter().position(|byte| *byte == b'=')?);
    Some((name, value.get(1..)?))
}

/// A number; 0 if it is not one.
pub fn number<N: std::str::FromStr + Default>(value: &[u8]) -> N {
    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Seconds since 1970; 1970 if it is not a time.
pub fn time(value: &[u8]) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(number(value)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
