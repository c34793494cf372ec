//! Parses dates in HTTP headers and certificates, and formats dates as monitoring-plugins'
//! check_http does. Dates are represented as seconds since 1970 in UTC.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY: i64 = 86400;

/// Formats a date like C's `%c %z`, for example `Tue Dec 28 03:16:49 2027 +0000`.
pub fn format(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS.get(days.rem_euclid(7) as usize).unwrap_or(&"");
    let month = MONTHS.get(month as usize - 1).unwrap_or(&"");
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year} +0000")
}

/// Parses the three forms of RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday,
/// 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
pub fn parse_http(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match words.as_slice() {
        [_, day, month, year, time, "GMT" | "UTC" | "+0000"] => (*day, *month, *year, *time),
        [_, month, day, time, year] => (*day, *month, *year, *time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64 + 1;
    let day = number(day).filter(|day| (1..=31).contains(day))?;
    // Two-digit years below 70 belong to the 21st century and all others to the 20th. The rule in
    // RFC 9110 depends on the current date: a year that appears to be more than 50 years in the
    // future belongs to the past. For the dates of recent decades, both rules agree.
    let year = match number(year)? {
        short @ 0..70 => short + 2000,
        short @ 70..100 => short + 1900,
        year => Some(year).filter(|year| *year < 10_000)?,
    };
    let mut time = time.split(':').map(number);
    let clock = [time.next()??, time.next()??, time.next()??];
    if time.next().is_none() { seconds(year, month, day, clock) } else { None }
}

/// Parses a UTCTime: `YYMMDDhhmm[ss]`, followed by `Z` or an offset such as `+0100`. The year is
/// between 1950 and 2049 (RFC 5280, section 4.1.2.5.1).
///
/// RFC 5280 requires the seconds and `Z`. Certificates of old devices have the other forms, which
/// ASN.1 allows (X.680, section 47).
pub fn parse_utc_time(text: &str) -> Option<i64> {
    let (digits, offset) = split_offset(text)?;
    let (year, rest) = digits.split_at_checked(2)?;
    let year = match number(year)? {
        short @ 0..50 => short + 2000,
        short => short + 1900,
    };
    if matches!(rest.len(), 8 | 10) { certificate_date(year, rest, offset) } else { None }
}

/// Parses a GeneralizedTime: `YYYYMMDDhh[mm[ss[.f]]]`, followed by `Z` or an offset. Ignores
/// fractions of a second.
///
/// RFC 5280, section 4.1.2.5.2, requires minutes, seconds and `Z`. X.680, section 46, allows the
/// other forms.
pub fn parse_generalized_time(text: &str) -> Option<i64> {
    let (digits, offset) = split_offset(text)?;
    let (digits, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, "0"));
    let (year, rest) = digits.split_at_checked(4)?;
    let is_valid = match rest.len() {
        6 | 8 => fraction == "0",
        10 => !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    if is_valid { certificate_date(number(year)?, rest, offset) } else { None }
}

/// Splits a certificate date into its local time and the offset of that time from UTC, in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(utc) = text.strip_suffix('Z') {
        return Some((utc, 0));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let (sign, offset) = offset.split_at_checked(1)?;
    let (hours, minutes) = offset.split_at_checked(2)?;
    let seconds = number(hours)? * 3600 + number(minutes).filter(|minutes| *minutes < 60)? * 60;
    match sign {
        "+" => Some((local, seconds)),
        "-" => Some((local, -seconds)),
        _ => None,
    }
}

/// Parses `MMDDhh[mm[ss]]` in the year `year`. `offset` is the offset of this local time from UTC,
/// in seconds.
fn certificate_date(year: i64, text: &str, offset: i64) -> Option<i64> {
    // Missing minutes and seconds are 0.
    let pair = |at: usize| text.get(at..at + 2).map_or(Some(0), number);
    let month = pair(0).filter(|month| (1..=12).contains(month))?;
    let day = pair(2).filter(|day| (1..=31).contains(day))?;
    Some(seconds(year, month, day, [pair(4)?, pair(6)?, pair(8)?])? - offset)
}

fn seconds(year: i64, month: i64, day: i64, [hour, minute, second]: [i64; 3]) -> Option<i64> {
    let valid = hour < 24 && minute < 60 && second <= 60;
    valid.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

fn number(word: &str) -> Option<i64> {
    if word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        word.parse().ok()
    } else {
        None
    }
}

/// Days in 400 years, after which the Gregorian calendar repeats.
const DAYS_IN_400_YEARS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// Returns the number of days from 1970-01-01 to a Gregorian date. The calculation starts each year
/// in March, so that the leap day is the last day of a year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - DAYS_TO_1970
}

/// Returns the year, month and day of the date that is `since` days after 1970-01-01. This is the
/// inverse of [`days`].
fn civil(since: i64) -> (i64, i64, i64) {
    let days = since + DAYS_TO_1970;
    let cycle = days.div_euclid(DAYS_IN_400_YEARS);
    let day = days.rem_euclid(DAYS_IN_400_YEARS);
    // Subtract the leap days up to `day`, so that every year has 365 days. Every fourth year ends
    // with a leap day, which follows 1,460 other days. The last year of a century (36,524 days) has
    // no leap day, unless it is also the last of the 400 years.
    let year = (day - day / 1_460 + day / 36_524 - day / (DAYS_IN_400_YEARS - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * cycle + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_the_three_http_date_formats() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse_http(text), Some(784_111_777), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 6x Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }

    #[test]
    fn parses_every_form_of_certificate_dates() {
        for text in ["941106084937Z", "941106094937+0100", "941106031937-0530"] {
            assert_eq!(parse_utc_time(text), Some(784_111_777), "{text}");
        }
        assert_eq!(parse_utc_time("9411060849Z"), Some(784_111_740));
        for text in
            ["19941106084937Z", "19941106084937.5Z", "19941106084937,25Z", "19941106094937+0100"]
        {
            assert_eq!(parse_generalized_time(text), Some(784_111_777), "{text}");
        }
        assert_eq!(parse_generalized_time("199411060849Z"), Some(784_111_740));
        assert_eq!(parse_generalized_time("1994110608Z"), Some(784_108_800));
        for text in [
            "",
            "Z",
            "941106084937",
            "94110608Z",
            "941306084937Z",
            "x41106084937Z",
            "1994110608.5Z",
            "19941106084937.Z",
            "19941106084937.xZ",
            "119941106084937Z",
            "941106084937+0160",
            "941106084937*0100",
            "\u{e4}\u{e4}\u{e4}Z",
        ] {
            assert_eq!(parse_utc_time(text), None, "{text}");
            assert_eq!(parse_generalized_time(text), None, "{text}");
        }
        assert_eq!(parse_utc_time("941106250000Z"), None);
        assert_eq!(parse_generalized_time("19941106250000Z"), None);
    }

    #[test]
    fn formats_all_dates_of_certificates() {
        for (text, formatted) in [
            ("00000101000000Z", "Sat Jan  1 00:00:00 0 +0000"),
            ("00010101000000Z", "Mon Jan  1 00:00:00 1 +0000"),
            ("15821015120000Z", "Fri Oct 15 12:00:00 1582 +0000"),
            ("19681231235959Z", "Tue Dec 31 23:59:59 1968 +0000"),
            ("20000229000000Z", "Tue Feb 29 00:00:00 2000 +0000"),
            ("99991231235959Z", "Fri Dec 31 23:59:59 9999 +0000"),
        ] {
            assert_eq!(parse_generalized_time(text).map(format).as_deref(), Some(formatted));
        }
    }

    #[test]
    fn formats_dates_like_c() {
        assert_eq!(format(0), "Thu Jan  1 00:00:00 1970 +0000");
        assert_eq!(format(1_829_963_809), "Tue Dec 28 03:16:49 2027 +0000");
        assert_eq!(format(951_782_400), "Tue Feb 29 00:00:00 2000 +0000");
    }

    proptest! {
        #[test]
        fn parses_formatted_dates(seconds in 0i64..253_402_300_799) {
            let text = format(seconds);
            prop_assert_eq!(parse_http(text.trim_end_matches(" +0000")), Some(seconds));
        }

        #[test]
        fn counts_days_of_every_date(since in -3_000_000i64..3_000_000) {
            let (year, month, day) = civil(since);
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day));
            prop_assert_eq!(days(year, month, day), since);
        }

        #[test]
        fn parses_any_text_without_panic(text in "\\PC{0,40}|[0-9]{0,16}Z") {
            parse_http(&text);
            parse_utc_time(&text);
            parse_generalized_time(&text);
        }
    }
}
