//! Judges the age of a document (-M). The age is the time from the document's last modification to
//! the current time, both according to the server's clock.

use plugin_kit::State;

use crate::date;
use crate::http::response::ResponseHead;
use crate::text;

/// Ages up to this limit, in seconds, are printed in hours. Greater ages are printed in days.
const SHOWN_IN_HOURS: i64 = 2 * 86400;
/// Maximum time by which a modification date may be ahead of the server's clock, in seconds.
const MAX_AHEAD: i64 = 30;

/// Returns the state and the message for a problem with a document's age, or `None` if the age is
/// fine. `max_age` is in seconds.
pub fn judge(head: &ResponseHead, max_age: u64) -> Option<(State, String)> {
    // Like monitoring-plugins, use the last header if several have the same name.
    let last = |name: &str| {
        head.values(name).pop().filter(|value| !value.is_empty()).map(|value| text::decode(&value))
    };
    let Some(server_date) = last("Date") else {
        return Some((State::Unknown, "Server date unknown".into()));
    };
    let Some(modified) = last("Last-Modified") else {
        return Some((State::Critical, "Document modification date unknown".into()));
    };
    // Pad the date to 100 characters, as monitoring-plugins does. Scripts that filter the output
    // may rely on the padding.
    let Some(now) = date::parse_http(&server_date) else {
        return Some((State::Critical, format!("Server date \"{server_date:>100}\" unparsable")));
    };
    let Some(then) = date::parse_http(&modified) else {
        return Some((State::Critical, format!("Document date \"{modified:>100}\" unparsable")));
    };
    let age = now - then;
    let message = if age < -MAX_AHEAD {
        format!("Document is {} seconds in the future", -age)
    } else if age <= SHOWN_IN_HOURS {
        let age = age.max(0);
        format!("Last modified {}:{:02}:{:02} ago", age / 3600, age / 60 % 60, age % 60)
    } else {
        format!("Last modified {:.1} days ago", age as f64 / 86400.0)
    };
    let wrong = age < -MAX_AHEAD || age > i64::try_from(max_age).unwrap_or(i64::MAX);
    wrong.then_some((State::Critical, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(modified: &str) -> Option<(State, String)> {
        let head = format!("HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n{modified}");
        judge(&ResponseHead::new(head.as_bytes()), 60)
    }

    #[test]
    fn judges_age_by_server_clock() {
        for (modified, text) in [
            ("", "Document modification date unknown"),
            ("Last-Modified: Sun, 06 Nov 1994 08:48:07 GMT", "Last modified 0:01:30 ago"),
            ("Last-Modified: Fri, 04 Nov 1994 08:49:36 GMT", "Last modified 2.0 days ago"),
            (
                "Last-Modified: Sun, 06 Nov 1994 08:50:08 GMT",
                "Document is 31 seconds in the future",
            ),
        ] {
            assert_eq!(judged(modified), Some((State::Critical, text.into())), "{modified}");
        }
        assert_eq!(judged("Last-Modified: Sun, 06 Nov 1994 08:49:00 GMT"), None);
        assert_eq!(judged("Last-Modified: Sun, 06 Nov 1994 08:50:07 GMT"), None);
        let broken = judged("Last-Modified: x").unwrap().1;
        assert_eq!(broken, format!("Document date \"{:>100}\" unparsable", "x"));
    }

    #[test]
    fn missing_date_header_is_unknown() {
        assert_eq!(judge(&ResponseHead::new(b"HTTP/1.1 200 OK\r\n"), 1).unwrap().0, State::Unknown);
    }
}
