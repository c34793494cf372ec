//! Parses durations such as `30s`, `10m` and `1h30m`.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A duration that was parsed from text. The text consists of one or more whole numbers, each with
/// the unit `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// The text is not a duration, or the duration is longer than ten years.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a duration; write numbers with units, such as \"30s\", \"10m\" or \"1h30m\", \
         at most ten years", .0.escape_debug())]
pub struct BadSpan(String);

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Span, BadSpan> {
        let bad = || BadSpan(text.to_owned());
        let (mut rest, mut total) = (text, Duration::ZERO);
        while !rest.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit());
            let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
            let number: u64 = number.parse().map_err(|_| bad())?;
            let millis = number.checked_mul(unit_millis(unit).ok_or_else(bad)?).ok_or_else(bad)?;
            total = total.checked_add(Duration::from_millis(millis)).ok_or_else(bad)?;
            rest = after;
        }
        if text.is_empty() || total > LONGEST { Err(bad()) } else { Ok(Span(total)) }
    }
}

/// Ten years. A longer duration must be a typo, and the limit keeps sums from overflowing.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

fn split(text: &str, part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !part(c)).unwrap_or(text.len()))
}

fn unit_millis(unit: &str) -> Option<u64> {
    match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(3600 * 1000),
        "d" => Some(24 * 3600 * 1000),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Span, D::Error> {
        String::deserialize(json)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_numbers_with_units() {
        for (text, seconds) in [
            ("30s", 30.0),
            ("10m", 600.0),
            ("1h", 3600.0),
            ("1h30m", 5400.0),
            ("250ms", 0.25),
            ("2d", 172_800.0),
            ("0s", 0.0),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().0.as_secs_f64(), seconds, "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "1 h",
            "-5s",
            "1.5h",
            "5sec",
            "99999999999999999999s",
            "9999999d",
            "１s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parses_or_refuses_any_text(text in "[0-9smhd ]{0,30}") {
            let _ = text.parse::<Span>();
        }
    }
}
