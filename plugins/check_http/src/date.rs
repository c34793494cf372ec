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
    // A two-digit year below 70 belongs to the 21st century, any other to the 20th, as in C. RFC
    // 9110 draws the line 50 years in the future instead.
    let year = match number(year)? {
        short @ 0..70 => short + 2000,
        short @ 70..100 => short + 1900,
        year => Some(year).filter(|year| *year < 10_000)?,
    };
    let mut time = time.split(':').map(number);
    let clock = [time.next()??, time.next()??, time.next()??];
    if time.next().is_none() { seconds(year, month, day, clock) } else { None }
}

/// Parses a certificate date (RFC 5280, section 4.1.2.5): `YYMMDDHHMMSSZ` for 1950 to 2049, or
/// `YYYYMMDDHHMMSSZ`.
pub fn parse_certificate(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z')?;
    let year = digits.get(..digits.len().checked_sub(10)?)?;
    let pair = |at: usize| number(digits.get(year.len() + 2 * at..year.len() + 2 * at + 2)?);
    let year = match (year.len(), number(year)?) {
        (2, short @ 0..50) => short + 2000,
        (2, short) => short + 1900,
        (4, year) => year,
        _ => return None,
    };
    let month = pair(0).filter(|month| (1..=12).contains(month))?;
    let day = pair(1).filter(|day| (1..=31).contains(day))?;
    seconds(year, month, day, [pair(2)?, pair(3)?, pair(4)?])
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

/// Returns the number of days from 1970-01-01 to a Gregorian date. The calculation starts the year
/// in March, so the leap day is the last day of the year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468
}

/// Returns the year, month and day of the date that is `since` days after 1970-01-01.
fn civil(since: i64) -> (i64, i64, i64) {
    let mut year = 1970 + since.div_euclid(366);
    while days(year + 1, 1, 1) <= since {
        year += 1;
    }
    let mut month = 12;
    while days(year, month, 1) > since {
        month -= 1;
    }
    (year, month, since - days(year, month, 1) + 1)
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
    fn parses_both_certificate_date_formats() {
        for text in ["941106084937Z", "19941106084937Z"] {
            assert_eq!(parse_certificate(text), Some(784_111_777), "{text}");
        }
        for text in [
            "",
            "Z",
            "941106084937",
            "9411060849Z",
            "941306084937Z",
            "941106250000Z",
            "x41106084937Z",
            "119941106084937Z",
        ] {
            assert_eq!(parse_certificate(text), None, "{text}");
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
        fn parses_any_text_without_panic(text in "\\PC{0,40}|[0-9]{0,16}Z") {
            parse_http(&text);
            parse_certificate(&text);
        }
    }
}
