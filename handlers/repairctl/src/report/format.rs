//! Formats numbers, times and reasons, both for the HTML page and for the email.

use std::time::Duration;

use policy::ReasonCode;

use crate::ui::time::span;

/// Formats a number with commas between the thousands: `4,712`.
pub fn number(n: impl ToString) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a number with a noun: `1 repair`, `2 repairs`.
pub fn count(n: impl ToString, what: &str) -> String {
    let n = number(n);
    format!("{n} {what}{}", if n == "1" { "" } else { "s" })
}

/// Formats a percentage: `94 %`, or `-` for `None`. Never rounds up to 100 %.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".into(),
        Some(share) if share > 99.0 && share < 100.0 => format!("{:.1} %", share.min(99.9)),
        Some(share) => format!("{share:.0} %"),
    }
}

/// Formats a change: `+12 %`, `-3 %`, `unchanged`. Returns an empty string if `before` is zero.
pub fn change(now: u32, before: u32) -> String {
    let change = 100.0 * (f64::from(now) - f64::from(before)) / f64::from(before);
    match before {
        0 => String::new(),
        _ if now == before => "unchanged".into(),
        _ if change > 999.0 => format!("{:.0} times", f64::from(now) / f64::from(before)),
        _ => format!("{change:+.0} %"),
    }
}

/// Formats a duration, or `-` for `None`.
pub fn span_or_dash(value: Option<Duration>) -> String {
    value.map_or_else(|| "-".into(), span)
}

/// Formats a class of durations: `under 1 s`, `2 to 5 s`, `30 min and more`.
pub fn time_class(from: Duration, to: Option<Duration>) -> String {
    match to {
        Some(to) if from.is_zero() => format!("under {}", span(to)),
        Some(to) => {
            let (low, high) = (span(from), span(to));
            match (low.split_once(' '), high.split_once(' ')) {
                (Some((low, one)), Some((high, other))) if one == other => {
                    format!("{low} to {high} {one}")
                }
                _ => format!("{low} to {high}"),
            }
        }
        None => format!("{} and more", span(from)),
    }
}

/// Cuts a string to `length` characters. If anything was cut off, `mark` is the last character.
pub fn cut(text: &str, length: usize, mark: char) -> String {
    match text.chars().count() > length {
        true => text.chars().take(length - 1).chain([mark]).collect(),
        false => text.to_owned(),
    }
}

/// Describes a reason code. If this version does not know the code, returns the code with blanks in
/// place of hyphens.
pub fn reason(code: &str) -> String {
    match ReasonCode::from_word(code) {
        Some(known) => known.about().trim_end_matches('.').to_owned(),
        None => code.replace('-', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_numbers() {
        assert_eq!([7, 312, 5000, 1_234_567].map(number), ["7", "312", "5,000", "1,234,567"]);
        assert_eq!(
            [(112, 100), (97, 100), (5, 5), (5, 0), (30, 1)].map(|(n, b)| change(n, b)),
            ["+12 %", "-3 %", "unchanged", "", "30 times"]
        );
        assert_eq!(
            [Some(99.98), Some(100.0), Some(94.4), None].map(percent),
            ["99.9 %", "100 %", "94 %", "-"]
        );
    }

    #[test]
    fn formats_classes_of_durations() {
        let s = Duration::from_secs;
        assert_eq!(time_class(s(0), Some(s(1))), "under 1 s");
        assert_eq!(time_class(s(2), Some(s(5))), "2 to 5 s");
        assert_eq!(time_class(s(30), Some(s(60))), "30 s to 1 min");
        assert_eq!(time_class(s(1800), None), "30 min and more");
    }
}
