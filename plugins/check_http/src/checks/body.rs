//! Judges the header and the body: age, strings, patterns, JSON, size and completeness.

use plugin_kit::State;

use super::{age, json};
use crate::http::framing::BodyEnd;
use crate::http::response::Response;
use crate::http::target::HttpTarget;
use crate::spec::{CheckSpec, SizeLimits};
use crate::text;

/// Maximum number of bytes of a missing string that the message shows.
const SHOWN_TEXT: usize = 26;
const DOTS: &str = "...";

/// Returns the problems with a response, in the order in which monitoring-plugins lists them.
pub fn findings(
    spec: &CheckSpec,
    target: &HttpTarget,
    response: &Response,
) -> Vec<(State, String)> {
    let mut found = Vec::new();
    let want = &spec.response;
    let header = &response.meta.head.header;
    found.extend(want.max_age.and_then(|seconds| age::judge(&response.meta.head, seconds)));
    if let Some(string) =
        want.header_string.as_ref().filter(|string| !text::contains(header, string))
    {
        let (string, url) = (shortened(string), target.display_url());
        found.push((State::Critical, format!("header '{string}' not found on '{url}'")));
    }
    if want.header_pattern.as_ref().is_some_and(|pattern| !pattern.is_match(header)) {
        found.push((State::Critical, "header pattern not found".into()));
    }
    search(spec, target, response, &mut found);
    found.extend(
        json::complaints(&response.body, &want.json)
            .into_iter()
            .map(|complaint| (State::Critical, complaint)),
    );
    found.extend(size_problem(want.size, response.meta.received));
    if let Some(why) = &response.undecodable {
        found.push((State::Critical, why.to_string()));
    }
    if let BodyEnd::Short(missing) = response.meta.end {
        found.push((State::Critical, format!("body is incomplete, {missing} bytes are missing")));
    }
    found
}

fn size_problem(limits: SizeLimits, received: u64) -> Option<(State, String)> {
    let problem = match limits {
        SizeLimits { min, max, alert_inside: true } => {
            (min..=max).contains(&received).then_some("within the unwanted range")?
        }
        SizeLimits { max, .. } if max > 0 && received > max => "too large",
        SizeLimits { min, .. } if received < min => "too small",
        _ => return None,
    };
    Some((State::Warning, format!("page size {received} {problem}")))
}

/// Adds a problem to `found` for each expected string or pattern that the body does not contain.
/// With --invert-regex, adds a problem for each pattern that the body contains or may contain. If
/// only the start of the body was searched, the rest may contain every pattern that was not found.
fn search(
    spec: &CheckSpec,
    target: &HttpTarget,
    response: &Response,
    found: &mut Vec<(State, String)>,
) {
    let want = &spec.response;
    let searched = response.searched.map_or(String::new(), |limit| {
        format!(" (only the first {} MiB were searched)", limit >> 20)
    });
    let matches = &response.matches;
    for (string, _) in want.strings.iter().zip(&matches.strings).filter(|(_, found)| !**found) {
        let (string, url) = (shortened(string), target.display_url());
        found.push((State::Critical, format!("string '{string}' not found on '{url}'{searched}")));
    }
    for matched in &matches.patterns {
        match (*matched, want.invert_pattern) {
            (false, false) => {
                found.push((want.pattern_state, format!("pattern not found{searched}")))
            }
            (true, true) => found.push((want.pattern_state, "pattern found".into())),
            (false, true) if response.searched.is_some() => found.push((
                want.pattern_state,
                format!("the rest of the body may contain the pattern{searched}"),
            )),
            _ => {}
        }
    }
}

fn shortened(text: &[u8]) -> String {
    // Do not cut within a character. Otherwise the text would no longer be valid UTF-8 and would be
    // decoded as Latin-1.
    let end =
        std::str::from_utf8(text).map_or(SHOWN_TEXT, |text| text.floor_char_boundary(SHOWN_TEXT));
    match text.get(..end) {
        Some(start) if text.len() > SHOWN_TEXT + DOTS.len() => text::decode(start) + DOTS,
        _ => text::decode(text),
    }
}
