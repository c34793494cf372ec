//! Judges a response and builds the result of the check.

use plugin_kit::{Outcome, State};

use super::body;
use super::link::linked;
use super::perfdata::{self, PhaseTimes};
use super::status::{self, StatusVerdict};
use crate::http::framing::BodyEnd;
use crate::http::response::{MAX_KEPT, Response};
use crate::http::target::HttpTarget;
use crate::spec::CheckSpec;
use crate::text;

/// What to do after a response.
#[derive(Debug)]
pub enum ResponseVerdict {
    /// The check ends with this outcome.
    Done(Outcome),
    /// The response is a redirect, which must be followed.
    Follow,
}

/// Judges a response. `certificates` is the worst state of the certificates that were checked.
pub fn judge(
    spec: &CheckSpec,
    target: &HttpTarget,
    response: &Response,
    times: PhaseTimes,
    certificates: State,
) -> ResponseVerdict {
    let done = |state, line| Outcome::new(state, linked(spec, line));
    let status = text::decode(&response.meta.head.status_line);
    let (state, message) = match status::judge(spec, &response.meta.head) {
        StatusVerdict::Expected(message) => (State::Ok, message),
        StatusVerdict::State(state) => (state, status),
        StatusVerdict::Follow => return ResponseVerdict::Follow,
        StatusVerdict::Unexpected => {
            let port = match target.port {
                80 => String::new(),
                port => format!(" on port {port}"),
            };
            // A TLS server answers plain HTTP with an alert (RFC 8446, section 5.1).
            let is_alert = response.meta.head.status_line.starts_with(b"\x15\x03");
            let hint =
                if is_alert && !target.tls { " (try -S: the server speaks TLS)" } else { "" };
            let line = format!(
                "HTTP CRITICAL - Invalid HTTP response received from host{port}: {status}{hint}"
            );
            let body = spec.output.body.then(|| format!("\n{}", shown_body(response)));
            let outcome = done(State::Critical, line);
            return ResponseVerdict::Done(body.into_iter().fold(outcome, Outcome::long));
        }
        StatusVerdict::Invalid(what) => {
            let line = format!("HTTP CRITICAL: Invalid Status{what} ({status})");
            return ResponseVerdict::Done(done(State::Critical, line));
        }
    };
    // Report invalid chunks only if the status line is acceptable. A bad status line is the more
    // important problem.
    if response.meta.end == BodyEnd::BadChunks {
        let line = "HTTP UNKNOWN: Failed to unchunk message body".into();
        return ResponseVerdict::Done(done(State::Unknown, line));
    }
    let findings = body::findings(spec, target, response);
    let seconds = times.total.as_secs_f64();
    let limits = [(&spec.warning, State::Warning), (&spec.critical, State::Critical)];
    let state = limits
        .into_iter()
        .filter(|(range, _)| range.is_some_and(|range| range.alerts(seconds)))
        .map(|(_, worse)| worse)
        .chain(findings.iter().map(|(worse, _)| *worse))
        .fold(state.worst(certificates), State::worst);
    let complaints: String = findings
        .iter()
        .enumerate()
        .flat_map(|(at, (_, text))| [if at == 0 { " - " } else { ", " }, text.as_str()])
        .collect();
    let url = Some(target.display_url()).filter(|_| spec.output.url);
    let url = url.map(|url| format!(" - {url}")).unwrap_or_default();
    let line = format!(
        "HTTP {state}: {message}{complaints}{url} - {} bytes in {seconds:.3} second response time ",
        response.meta.received
    );
    let mut items = perfdata::of_response(spec, response, times);
    let mut ignored = None;
    if spec.output.body_perfdata && state == State::Ok {
        ignored = perfdata::add_body(&mut items, &response.body);
    }
    let outcome = items.into_iter().fold(done(state, line), Outcome::perfdata);
    let body = spec.output.body.then(|| shown_body(response));
    let notes = ignored.filter(|_| spec.output.verbose).into_iter().chain(body);
    ResponseVerdict::Done(notes.fold(outcome, Outcome::long))
}

/// Returns the body for -B, cut after 1 MiB. Nagios keeps only 8 KB of it.
fn shown_body(response: &Response) -> String {
    match response.body.get(..MAX_KEPT - 1) {
        Some(start) if response.body.len() >= MAX_KEPT => {
            format!("{}\n(only the first MiB of the body is shown)", text::decode(start))
        }
        _ => text::decode(&response.body),
    }
}
