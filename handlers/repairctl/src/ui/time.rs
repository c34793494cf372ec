//! Formats times for output, and parses times that a user enters.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use plugin_kit::Problem;
use policy_file::Span;

/// A string that [`read`] cannot parse as a time.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{text}' is not a time: write 90m (minutes ago), 7d (days ago), 2026-11-01 or \"2026-11-01 \
     14:30\"",
    text = .0.escape_debug()
)]
pub struct BadTime(String);

impl From<BadTime> for Problem {
    fn from(bad: BadTime) -> Problem {
        Problem::Usage(bad.to_string())
    }
}

/// Formats a time in the system's time zone: `2026-11-24 03:12:44`.
pub fn shown(at: SystemTime) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "time out of range".to_owned(),
    }
}

/// Formats a time for JSON: `2026-11-24T03:12:44Z`.
pub fn rfc3339(at: SystemTime) -> String {
    Timestamp::try_from(at)
        .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// Parses a time in the past. Accepts `7d`, which means seven days before `now`, local times such
/// as `2026-11-01` and `2026-11-01 14:30`, and the output of [`rfc3339`].
pub fn read(text: &str, now: SystemTime) -> Result<SystemTime, BadTime> {
    if let Ok(Span(ago)) = text.parse::<Span>() {
        return Ok(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
    }
    let local = || {
        text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)))
    };
    let at = text
        .parse::<Timestamp>()
        .or_else(|_| local()?.to_zoned(TimeZone::system()).map(|at| at.timestamp()));
    at.map(SystemTime::from).map_err(|_| BadTime(text.to_owned()))
}

/// Formats a duration: `0.4 s`, `12 s`, `3.5 min`, `2 h`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    let short = |value: f64, unit: &str| {
        let tenths = format!("{value:.1}");
        match tenths.strip_suffix(".0") {
            Some(whole) => format!("{whole} {unit}"),
            None if value < 9.95 => format!("{tenths} {unit}"),
            None => format!("{value:.0} {unit}"),
        }
    };
    match seconds {
        s if s < 59.5 => short(s, "s"),
        s if s < 3570.0 => short(s / 60.0, "min"),
        s => short(s / 3600.0, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_durations() {
        let shown = [400, 4000, 59_400, 59_600, 210_000, 7_200_000]
            .map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(shown, ["0.4 s", "4 s", "59 s", "1 min", "3.5 min", "2 h"]);
    }
}
