//! The period of a report, the earlier period it is compared with, and the parts of a period for
//! the charts.

use std::time::SystemTime;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{RoundMode, Span, Timestamp, Unit, Zoned, ZonedRound};
use plugin_kit::Problem;

use crate::ui::time::{self, BadTime};

/// Why the options do not identify a valid period.
#[derive(Debug, thiserror::Error)]
pub enum BadPeriod {
    /// The value of `--month` is not a year and a month.
    #[error(
        "'{month}' is not a month; use the form YYYY-MM, for example 2026-11",
        month = .0.escape_debug()
    )]
    NoMonth(String),
    /// The month is in the future.
    #[error("{month} has not started yet", month = .0.strftime("%B %Y"))]
    FutureMonth(Date),
    /// The value of `--since` is in the future.
    #[error("'{0}' is in the future; give an earlier time")]
    FutureTime(String),
    /// The value of `--since` is neither a time nor a duration.
    #[error(transparent)]
    NoTime(#[from] BadTime),
    /// A date in the period is outside the range that jiff supports.
    #[error(transparent)]
    Calendar(#[from] jiff::Error),
    /// The first part of the period would start before the earliest date that jiff supports.
    #[error("the period starts before the earliest supported date; give a later date")]
    TooEarly,
}

impl From<BadPeriod> for Problem {
    fn from(bad: BadPeriod) -> Problem {
        Problem::Usage(bad.to_string())
    }
}

/// A period of time with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Period {
    /// Start of the period.
    pub from: SystemTime,
    /// End of the period, exclusive.
    pub until: SystemTime,
    /// Name for titles: `November 2026`, `the period since 2026-11-17 08:00`.
    pub name: String,
}

/// A period and the earlier period it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Periods {
    /// The period of the report.
    pub now: Period,
    /// The earlier period that `now` is compared with.
    pub before: Period,
}

impl Period {
    /// Returns the options with which `repairctl history` lists all records of the period.
    pub fn options(&self) -> String {
        let [from, until] = [self.from, self.until].map(|at| {
            let shown = time::shown(at).replace(' ', "T");
            shown.trim_end_matches("T00:00:00").to_owned()
        });
        format!("--limit 0 --since {from} --until {until}")
    }
}

impl Periods {
    /// Returns the periods for a month, written as `2026-11`, and for the previous month. If the
    /// month is not over yet, it is compared with the same part of the previous month.
    pub fn of_month(text: Option<&str>, now: SystemTime) -> Result<Periods, BadPeriod> {
        let today = zoned(now)?;
        let first = match text {
            None => today.date().first_of_month(),
            Some(text) => month(text)?,
        };
        let last_month = first.checked_sub(Span::new().months(1))?;
        let next_month = first.checked_add(Span::new().months(1))?;
        let (from, over) = (midnight(first)?, midnight(next_month)?);
        if from > now {
            return Err(BadPeriod::FutureMonth(first));
        }
        let until = over.min(now);
        let before_from = midnight(last_month)?;
        let [name, name_before] = [first, last_month].map(|month| month.strftime("%B %Y"));
        let (before, now_name, before_name) = if until < over {
            let elapsed = until.duration_since(from).unwrap_or_default();
            let before_until = (before_from + elapsed).min(from);
            (before_until, format!("{name} so far"), format!("the same part of {name_before}"))
        } else {
            (from, name.to_string(), name_before.to_string())
        };
        Ok(Periods {
            now: Period { from, until, name: now_name },
            before: Period { from: before_from, until: before, name: before_name },
        })
    }

    /// Returns the period since the time `text`, and the period of the same length before it.
    pub fn since(text: &str, now: SystemTime) -> Result<Periods, BadPeriod> {
        let from = time::read(text, now)?;
        let length =
            now.duration_since(from).map_err(|_| BadPeriod::FutureTime(text.to_owned()))?;
        let before = from.checked_sub(length).unwrap_or(SystemTime::UNIX_EPOCH);
        let shown = time::shown(from);
        let minute = shown.get(..16).unwrap_or(&shown);
        Ok(Periods {
            now: Period { from, until: now, name: format!("the period since {minute}") },
            before: Period {
                from: before,
                until: from,
                name: "the previous period of the same length".into(),
            },
        })
    }
}

fn month(text: &str) -> Result<Date, BadPeriod> {
    let read = || {
        let (year, month) = text.split_once('-')?;
        let digits = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
        let plain = year.len() == 4 && month.len() == 2 && digits(year) && digits(month);
        let month: i8 = month.parse().ok().filter(|n| plain && (1..=12).contains(n))?;
        let year = year.parse().ok().filter(|year| (1970..=9000).contains(year))?;
        Some(date(year, month, 1))
    };
    read().ok_or_else(|| BadPeriod::NoMonth(text.to_owned()))
}

fn zoned(at: SystemTime) -> Result<Zoned, jiff::Error> {
    Ok(Timestamp::try_from(at)?.to_zoned(TimeZone::system()))
}

fn midnight(date: Date) -> Result<SystemTime, jiff::Error> {
    Ok(date.to_zoned(TimeZone::system())?.timestamp().into())
}

/// One part of a period, for example one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Start of this part of the period.
    pub from: SystemTime,
    /// Name of this part in tables: `2026-11-03`, `2026-11-03 14:00`.
    pub name: String,
    /// Label of this part on the time axis of a chart. Empty if it would overlap another label.
    pub tick: String,
}

/// The parts that a period is divided into for the charts.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The length of a part: `hour`, `day`, `week`, `month` or `year`.
    pub unit: &'static str,
    /// The parts in order, without gaps.
    pub parts: Vec<Part>,
}

impl Parts {
    /// Divides a period into at most 600 parts. A part is an hour in periods of up to three days, a
    /// day in periods of up to 100 days, a week in periods of up to eleven years, a month in
    /// periods of up to 45 years, and otherwise a year.
    pub fn of(period: &Period) -> Result<Parts, BadPeriod> {
        let hours = period.until.duration_since(period.from).unwrap_or_default().as_secs() / 3600;
        let (unit, span, every) = match hours {
            0..=72 => ("hour", Span::new().hours(1), 6),
            73..=2400 => ("day", Span::new().days(1), if hours <= 24 * 45 { 2 } else { 7 }),
            2401..=100_000 => ("week", Span::new().weeks(1), 4),
            100_001..=400_000 => ("month", Span::new().months(1), 12),
            _ => ("year", Span::new().years(1), 5),
        };
        let start = zoned(period.from)?;
        let hour = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
        let start = match unit {
            "hour" => start.round(hour),
            "month" => start.first_of_month().and_then(|first| first.start_of_day()),
            "year" => start.first_of_year().and_then(|first| first.start_of_day()),
            _ => start.start_of_day(),
        };
        let mut at = start.map_err(|_| BadPeriod::TooEarly)?;
        let mut parts = Vec::new();
        while SystemTime::from(at.timestamp()) < period.until && parts.len() < 600 {
            let ticked = parts.len() % every == 0;
            parts.push(part(unit, &at, ticked));
            at = at.checked_add(span)?;
        }
        Ok(Parts { unit, parts })
    }

    /// Returns the index of the part that contains the time `at`.
    pub fn index(&self, at: SystemTime) -> usize {
        self.parts.partition_point(|part| part.from <= at).saturating_sub(1)
    }
}

fn part(unit: &str, at: &Zoned, ticked: bool) -> Part {
    let (name, tick) = match unit {
        "hour" => ("%Y-%m-%d %H:00", "%H:00"),
        "day" => ("%Y-%m-%d", "%-d"),
        "month" => ("%Y-%m", "%Y"),
        "year" => ("%Y", "%Y"),
        _ => ("week from %Y-%m-%d", "%b %-d"),
    };
    // Use the date as the label of midnight and of the first day of a month.
    let tick = match unit {
        "hour" if at.hour() == 0 => "%b %-d",
        "day" if at.day() == 1 => "%b 1",
        _ => tick,
    };
    let tick = if ticked { at.strftime(tick).to_string() } else { String::new() };
    Part { from: at.timestamp().into(), name: at.strftime(name).to_string(), tick }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        time::read(text, SystemTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn compares_a_month_with_the_previous_month() {
        let whole = Periods::of_month(Some("2026-03"), at("2026-11-24")).unwrap();
        assert_eq!((whole.now.from, whole.now.until), (at("2026-03-01"), at("2026-04-01")));
        assert_eq!((whole.before.from, whole.before.until), (at("2026-02-01"), at("2026-03-01")));
        assert_eq!(
            (whole.now.name.as_str(), whole.before.name.as_str()),
            ("March 2026", "February 2026")
        );
        let running = Periods::of_month(None, at("2026-11-11")).unwrap();
        assert_eq!((running.now.until, running.before.until), (at("2026-11-11"), at("2026-10-11")));
        assert_eq!(running.before.name, "the same part of October 2026");
        for bad in ["2026", "2026-13", "2026-1", "+026-01", "x", "2027-01"] {
            assert!(Periods::of_month(Some(bad), at("2026-11-24")).is_err(), "{bad}");
        }
    }

    #[test]
    fn divides_periods_into_parts_that_fit_a_chart() {
        let now = at("2026-11-24");
        for (since, unit, count) in [
            ("1d", "hour", 24),
            ("7d", "day", 7),
            ("2026-10-24", "day", 31),
            ("364d", "week", 52),
            ("2000-01-01", "month", 323),
            ("1900-01-01", "year", 127),
        ] {
            let parts = Parts::of(&Periods::since(since, now).unwrap().now).unwrap();
            // The first week or day can start before the period, which adds a part.
            assert!(
                parts.unit == unit && (count..=count + 1).contains(&parts.parts.len()),
                "{since}: {parts:?}"
            );
            assert_eq!(parts.index(now), parts.parts.len() - 1);
        }
    }
}
