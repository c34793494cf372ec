//! Judges the status line of a response.

use plugin_kit::State;

use crate::http::redirect::OnRedirect;
use crate::http::response::ResponseHead;
use crate::spec::CheckSpec;
use crate::text;

/// The string that the status line must contain unless -e is given.
const ANY_HTTP_1: &[u8] = b"HTTP/1.";

/// What a status line means for the check.
pub enum StatusVerdict {
    /// The line contains one of the strings given with -e. Holds the message, which quotes these
    /// strings.
    Expected(String),
    /// The status code maps to this state.
    State(State),
    /// The response is a redirect, which must be followed.
    Follow,
    /// The line contains none of the strings given with -e or, without -e, does not contain
    /// `HTTP/1.`.
    Unexpected,
    /// The status code is missing or unknown. Holds the text to print after `Invalid Status`.
    Invalid(&'static str),
}

/// Judges the status line of `head`.
pub fn judge(spec: &CheckSpec, head: &ResponseHead) -> StatusVerdict {
    let line = &head.status_line;
    let code = head.code();
    let follows = !matches!(spec.redirect, OnRedirect::State(_));
    if spec.response.expect_after_redirects
        && follows
        && code.is_some_and(|code| (300..400).contains(&code))
    {
        return StatusVerdict::Follow;
    }
    if let Some(expect) = &spec.response.expect {
        let mut wanted = expect.split(|byte| *byte == b',').filter(|text| !text.is_empty());
        if !wanted.any(|text| text::contains(line, text)) {
            return StatusVerdict::Unexpected;
        }
        let expect = text::decode(expect);
        return StatusVerdict::Expected(format!("Status line output matched \"{expect}\""));
    }
    if !text::contains(line, ANY_HTTP_1) {
        return StatusVerdict::Unexpected;
    }
    let Some(code) = code else { return StatusVerdict::Invalid(" Line") };
    let mut rules = spec.response.status_rules.iter();
    if let Some(rule) = rules.find(|rule| (rule.first..=rule.last).contains(&code)) {
        return StatusVerdict::State(rule.state);
    }
    let state = match code {
        500..600 => State::Critical,
        400..500 => State::Warning,
        300..400 => match spec.redirect {
            OnRedirect::State(state) => state,
            _ => return StatusVerdict::Follow,
        },
        100..300 => State::Ok,
        _ => return StatusVerdict::Invalid(""),
    };
    StatusVerdict::State(state)
}
