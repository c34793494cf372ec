//! Threshold ranges, `[@]start:end`, as the plugin development guidelines define them.

use std::fmt;
use std::str::FromStr;

/// A threshold range, in the unit of the value that it is compared with. Values outside the range
/// raise an alert. With `@`, values inside the range raise an alert instead. Both ends belong to
/// the range.
///
/// ```
/// use plugin_kit::Range;
/// let range: Range = "10:20".parse().unwrap();
/// assert!(range.alerts(9.0) && !range.alerts(10.0) && !range.alerts(20.0) && range.alerts(21.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    alert_inside: bool,
}

/// Why a string is not a valid threshold range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// One end is not a plain decimal number. Contains the whole string and this end.
    #[error(
        "'{0}' is not a threshold range: '{1}' is not a number; write [@]START:END, for example \
         10, 10:, ~:10 or @10:20"
    )]
    NotANumber(String, String),
    /// The start is above the end, so the range contains no value.
    #[error("'{0}' is not a threshold range: its start is above its end")]
    Backwards(String),
}

impl Range {
    /// Whether `value` raises an alert. NaN always does.
    #[must_use]
    pub fn alerts(&self, value: f64) -> bool {
        value.is_nan() || (self.start <= value && value <= self.end) == self.alert_inside
    }

    /// Returns the range that alerts below 0 and above `end`.
    pub fn at_most(end: f64) -> Range {
        Range { start: 0.0, end, alert_inside: false }
    }

    /// Returns the upper end, or infinity if the range has none.
    pub fn end(&self) -> f64 {
        self.end
    }

    /// Converts a range of percentages of `total` to a range of absolute values.
    #[must_use]
    pub fn percent_of(self, total: f64) -> Range {
        Range { start: self.start * total / 100.0, end: self.end * total / 100.0, ..self }
    }

    /// Rounds both ends to whole numbers without changing which whole numbers raise an alert.
    /// Returns the range unchanged if it contains no whole number.
    #[must_use]
    pub fn of_counts(self) -> Range {
        let (start, end) = (self.start.ceil(), self.end.floor());
        if start > end { self } else { Range { start, end, ..self } }
    }
}

impl fmt::Display for Range {
    /// Prints the shortest string that parses to this range.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.alert_inside { "@" } else { "" })?;
        match self.start {
            f64::NEG_INFINITY => f.write_str("~:")?,
            start if start == 0.0 && self.end.is_finite() => {}
            start => write!(f, "{start}:")?,
        }
        if self.end.is_finite() { write!(f, "{}", self.end) } else { Ok(()) }
    }
}

impl FromStr for Range {
    type Err = BadRange;

    /// Parses `[@]start:end`. `~` is minus infinity, a missing start is 0 and a missing end is
    /// infinity. An empty string means `0:`, which plugins traditionally use for "no threshold".
    fn from_str(text: &str) -> Result<Range, BadRange> {
        let (alert_inside, ends) = match text.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (start, end) = ends.split_once(':').unwrap_or(("", ends));
        let number = |word: &str| {
            decimal(word).ok_or_else(|| BadRange::NotANumber(text.to_owned(), word.to_owned()))
        };
        let start = match start {
            "" => 0.0,
            "~" => f64::NEG_INFINITY,
            word => number(word)?,
        };
        let end = if end.is_empty() { f64::INFINITY } else { number(end)? };
        if start > end {
            return Err(BadRange::Backwards(text.to_owned()));
        }
        Ok(Range { start, end, alert_inside })
    }
}

/// Parses a finite decimal number. `str::parse` alone would also accept `inf` and `nan`.
fn decimal(word: &str) -> Option<f64> {
    let numeric =
        word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    word.parse::<f64>().ok().filter(|n| numeric && n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn alerts_as_the_plugin_guidelines_define() {
        for (text, inside, outside) in [
            ("10", vec![0.0, 10.0], vec![-0.1, 10.1]),
            ("10:", vec![10.0, 1e9], vec![9.9, -1.0]),
            ("~:10", vec![-1e9, 10.0], vec![10.1]),
            ("10:20", vec![10.0, 20.0], vec![9.9, 20.1]),
        ] {
            for value in inside {
                assert!(!range(text).alerts(value), "{text} must not alert on {value}");
            }
            for value in outside {
                assert!(range(text).alerts(value), "{text} must alert on {value}");
            }
        }
        for (value, alerts) in [(10.0, true), (20.0, true), (9.9, false)] {
            assert_eq!(range("@10:20").alerts(value), alerts, "{value}");
        }
    }

    #[test]
    fn rejects_invalid_ranges() {
        for text in [
            "abc", "5;", "1,5", "nan", "inf", "0x10", "500ms", "1:2:3", "@", "~", "1 ", "20:10",
            "1:0", "-1",
        ] {
            let read = text.parse::<Range>();
            assert_eq!(read.is_err(), text != "@", "{text}: {read:?}");
        }
    }

    #[test]
    fn prints_parsed_ranges_unchanged() {
        for text in [
            "10", "10:", "~:10", "10:20", "@10", "@10:20", "~:", "@~:3", "-5:", "-5:-1", "1.5",
            "0:", "@0:",
        ] {
            assert_eq!(range(text).to_string(), text);
        }
        assert_eq!(range("0:10").to_string(), "10");
        assert_eq!(range("@80:90").percent_of(500.0).to_string(), "@400:450");
        assert_eq!(range("1.5:3.5").of_counts().to_string(), "2:3");
        assert_eq!(range("1.2:1.8").of_counts().to_string(), "1.2:1.8");
    }

    proptest! {
        #[test]
        fn at_sign_inverts_range(start in -1e6..1e6f64, width in 0.0..1e6f64, n in -3e6..3e6f64) {
            let plain = range(&format!("{start}:{}", start + width));
            let inverted = range(&format!("@{start}:{}", start + width));
            prop_assert_ne!(plain.alerts(n), inverted.alerts(n));
        }

        #[test]
        fn includes_both_ends(start in -1e6..1e6f64, width in 0.0..1e6f64) {
            let read = range(&format!("{start}:{}", start + width));
            prop_assert!(!read.alerts(start) && !read.alerts(start + width));
        }

        #[test]
        fn parses_any_text_without_panic(text in "\\PC{0,20}") {
            let _ = text.parse::<Range>();
        }
    }
}
