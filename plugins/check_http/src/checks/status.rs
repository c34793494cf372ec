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
}

/// Why a status line is wrong.
pub enum BadStatus {
    /// No expected string, not even `HTTP/1.`.
    Response,
    /// No code, or an unknown one; the text names the part.
    Line(&'static str),
}

/// Judges the status line of `head`.
pub fn judge(spec: &CheckSpec, head: &ResponseHead) -> Result<StatusVerdict, BadStatus> {
    let line = &head.status_line;
    let code = head.code();
    let follows = !matches!(spec.redirect, OnRedirect::State(_));
    if spec.response.expect_after_redirects
        && follows
        && code.is_some_and(|code| (300..400).contains(&code))
    {
        return Ok(StatusVerdict::Follow);
    }
    if let Some(expect) = &spec.response.expect {
        let mut wanted = expect.split(|byte| *byte == b',').filter(|text| !text.is_empty());
        if !wanted.any(|text| text::contains(line, text)) {
            return Err(BadStatus::Response);
        }
        let expect = text::decode(expect);
        return Ok(StatusVerdict::Expected(format!("Status line output matched \"{expect}\"")));
    }
    if !text::contains(line, ANY_HTTP_1) {
        return Err(BadStatus::Response);
    }
    let code = code.ok_or(BadStatus::Line(" Line"))?;
    let mut rules = spec.response.status_rules.iter();
    if let Some(rule) = rules.find(|rule| (rule.first..=rule.last).contains(&code)) {
        return Ok(StatusVerdict::State(rule.state));
    }
    let state = match code {
        500..600 => State::Critical,
        400..500 => State::Warning,
        300..400 => match spec.redirect {
            OnRedirect::State(state) => state,
            _ => return Ok(StatusVerdict::Follow),
        },
        100..300 => State::Ok,
        _ => return Err(BadStatus::Line("")),
    };
    Ok(StatusVerdict::State(state))
}
