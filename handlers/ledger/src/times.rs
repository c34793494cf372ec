//! Converts times to the milliseconds in which every store keeps them, and to ages.

use std::time::{Duration, SystemTime};

/// Returns the milliseconds since 1970 (UTC), and 0 for an earlier time.
pub(crate) fn millis(at: SystemTime) -> i64 {
    span_millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

pub(crate) fn span_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn time(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Returns the time that has passed since `at`. A time in the future counts as `now`, which never
/// allows a repair that would otherwise be refused.
pub(crate) fn age(at: i64, now: SystemTime) -> Duration {
    now.duration_since(time(at)).unwrap_or(Duration::ZERO)
}
