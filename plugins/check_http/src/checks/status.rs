//! Judges the status line.

use plugin_kit::State;

use crate::http::redirect::OnRedirect;
use crate::http::response::ResponseHead;
use crate::spec::CheckSpec;
use crate::text;

/// The default of -e.
const ANY_HTTP_1: &[u8] = b"HTTP/1.";

/// What a status line means.
pub enum StatusVerdict {
    /// It contains an expected string; the text says which.
    Expected(String),
    /// Its code has this state.
    State(State),
    /// It is a redirect to follow.
    Follow,
    /// It contains no expected string, not even `HTTP/1.`.
    Unexpected,
    /// Its code is missing or unknown; the text names the part.
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
