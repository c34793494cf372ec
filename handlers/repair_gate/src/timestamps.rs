//! Converts and formats points in time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the current time in whole milliseconds, the precision of records. If the clock is before
/// 1970, returns the start of 1970, so that all records lie in the future and count as recent.
pub(crate) fn now() -> SystemTime {
    from_millis(to_millis(SystemTime::now()))
}

/// Returns the time `millis` milliseconds after the start of 1970.
pub(crate) fn from_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// Returns milliseconds since 1970, or 0 for an earlier time.
pub(crate) fn to_millis(at: SystemTime) -> u64 {
    u64::try_from(until(at, UNIX_EPOCH).as_millis()).unwrap_or(u64::MAX)
}

/// Returns whole seconds since 1970, or 0 for an earlier time.
pub(crate) fn to_seconds(at: SystemTime) -> u64 {
    until(at, UNIX_EPOCH).as_secs()
}

/// Returns how long it is from `now` until `at`, or zero if `at` has passed.
pub(crate) fn until(at: SystemTime, now: SystemTime) -> Duration {
    at.duration_since(now).unwrap_or_default()
}

/// Formats `at` as date and time in UTC.
pub(crate) fn utc(at: SystemTime) -> String {
    let seconds = to_seconds(at);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Returns the year, month and day of the date `days` days after 1970-01-01. Skips whole 400-year
/// cycles, then counts years and months.
fn civil(days: u64) -> (u64, u64, u64) {
    const CYCLE: u64 = 146_097;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970 + days / CYCLE * 400;
    let mut left = days % CYCLE;
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_times_like_date() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (1_795_415_999, "2026-11-23 06:39:59 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
