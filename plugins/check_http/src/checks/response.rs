//! What was wanted and what was seen become a verdict. Pure: no clock, no net, no files.

use std::time::Duration;

use plugin_kit::{Number, Outcome, Perfdata, State};

use crate::checks::age;
use crate::checks::json;
use crate::http::connection::exchange::{End, MAX_KEPT, Page};
use crate::http::target::Place;
use crate::spec::{Days, OnRedirect, PatternState, Wish};
use crate::text;

/// How long the parts of the last conversation took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// From the start of the run to the verdict.
    pub total: Duration,
    /// Name look-up and connect.
    pub connect: Duration,
    /// The TLS handshake, where there was one.
    pub tls: Option<Duration>,
}

/// A page's verdict: the end, or a redirect to follow.
#[derive(Debug)]
pub enum Verdict {
    /// That is how it is.
    Done(Outcome),
    /// The answer is elsewhere.
    Follow,
}

/// Without -e, this must stand in the status line.
const ANY_HTTP_1: &[u8] = b"HTTP/1.";
/// As much of a text is shown when it is not found.
const SHOWN_TEXT: usize = 26;
const DOTS: &str = "...";

/// The verdict on a page. `so_far` is what the certificates said.
pub fn page(wish: &Wish, place: &Place, page: &Page, times: Times, so_far: State) -> Verdict {
    let status = text::of(&page.head.status_line);
    let (mut state, message) = match status_line(wish, page) {
        Ok(Status::Expected(message)) => (State::Ok, message),
        Ok(Status::State(state)) => (state, status),
        Ok(Status::Follow) => return Verdict::Follow,
        Err(Unexpected::Response) => {
            let port =
                if place.port == 80 { String::new() } else { format!(" on port {}", place.port) };
            let line =
                format!("HTTP CRITICAL - Invalid HTTP response received from host{port}: {status}");
            let outcome = Outcome::new(State::Critical, linked(wish, line));
            return Verdict::Done(if wish.show.body {
                outcome.long(format!("\n{}", body(page)))
            } else {
                outcome
            });
        }
        Err(Unexpected::Line(what)) => {
            let line = format!("HTTP CRITICAL: Invalid Status{what} ({status})");
            return Verdict::Done(Outcome::new(State::Critical, linked(wish, line)));
        }
    };
    // Only here: what the status line says of itself, or of another place, holds whatever the body
    // is.
    if page.end == End::BadChunks {
        return Verdict::Done(Outcome::new(
            State::Unknown,
            linked(wish, "HTTP UNKNOWN: Failed to unchunk message body".into()),
        ));
    }
    let mut complaints = Vec::new();
    for (worse, complaint) in findings(wish, place, page) {
        state = state.worst(worse);
        complaints.push(complaint);
    }
    let seconds = times.total.as_secs_f64();
    for (range, worse) in [(&wish.warning, State::Warning), (&wish.critical, State::Critical)] {
        if range.is_some_and(|range| range.alerts(seconds)) {
            state = state.worst(worse);
        }
    }
    state = state.worst(so_far);
    let complaints =
        if complaints.is_empty() { String::new() } else { format!(" - {}", complaints.join(", ")) };
    let line = format!(
        "HTTP {state}: {message}{complaints} - {} bytes in {seconds:.3} second response time ",
        page.received
    );
    let outcome = Outcome::new(state, linked(wish, line));
    let outcome = perfdata(wish, page, times).into_iter().fold(outcome, Outcome::perfdata);
    Verdict::Done(if wish.show.body { outcome.long(body(page)) } else { outcome })
}

enum Status {
    Expected(String),
    State(State),
    Follow,
}

enum Unexpected {
    Response,
    Line(&'static str),
}

fn status_line(wish: &Wish, page: &Page) -> Result<Status, Unexpected> {
    let line = &page.head.status_line;
    let code = page.head.code();
    let follows = !matches!(wish.redirect, OnRedirect::State(_));
    if wish.page.expect_after_redirects
        && follows
        && code.is_some_and(|code| (300..400).contains(&code))
    {
        return Ok(Status::Follow);
    }
    if let Some(expect) = &wish.page.expect {
        let mut wanted = expect.split(|byte| *byte == b',').filter(|text| !text.is_empty());
        if !wanted.any(|text| text::contains(line, text)) {
            return Err(Unexpected::Response);
        }
        return Ok(Status::Expected(format!(
            "Status line output matched \"{}\"",
            text::of(expect)
        )));
    }
    if !text::contains(line, ANY_HTTP_1) {
        return Err(Unexpected::Response);
    }
    let code = code.ok_or(Unexpected::Line(" Line"))?;
    if let Some(wanted) =
        wish.page.codes.iter().find(|wanted| (wanted.first..=wanted.last).contains(&code))
    {
        return Ok(Status::State(wanted.state));
    }
    let state = match code {
        500..600 => State::Critical,
        400..500 => State::Warning,
        300..400 => match wish.redirect {
            OnRedirect::State(state) => state,
            _ => return Ok(Status::Follow),
        },
        100..300 => State::Ok,
        _ => return Err(Unexpected::Line("")),
    };
    Ok(Status::State(state))
}

/// What is wrong with the page, in the order it was always said.
fn findings(wish: &Wish, place: &Place, page: &Page) -> Vec<(State, String)> {
    let mut found = Vec::new();
    let want = &wish.page;
    let url = || place.shown();
    found.extend(want.max_age.and_then(|seconds| age::judge(&page.head, seconds)));
    if let Some(header) =
        want.header_string.as_ref().filter(|header| !text::contains(&page.head.header, header))
    {
        found.push((
            State::Critical,
            format!("header '{}' not found on '{}'", shortened(header), url()),
        ));
    }
    let searched = page.searched.map_or(String::new(), |limit| {
        format!(" (only its first {} MiB are searched)", limit >> 20)
    });
    if want.header_pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&page.head.header)) {
        found.push((State::Critical, "header pattern not found".into()));
    }
    for (string, _) in want.strings.iter().zip(&page.found.strings).filter(|(_, found)| !**found) {
        found.push((
            State::Critical,
            format!("string '{}' not found on '{}'{searched}", shortened(string), url()),
        ));
    }
    let unsatisfied = match want.pattern_state {
        PatternState::Critical => State::Critical,
        PatternState::Warning => State::Warning,
    };
    for matched in &page.found.patterns {
        match (*matched, want.invert_pattern) {
            (false, false) => found.push((unsatisfied, format!("pattern not found{searched}"))),
            (true, true) => found.push((unsatisfied, "pattern found".into())),
            _ => {}
        }
    }
    found.extend(
        json::complaints(&page.body, &want.json)
            .into_iter()
            .map(|complaint| (State::Critical, complaint)),
    );
    let size = want.size;
    if size.max > 0 && page.received > size.max {
        found.push((State::Warning, format!("page size {} too large", page.received)));
    } else if page.received < size.min {
        found.push((State::Warning, format!("page size {} too small", page.received)));
    }
    if page.damaged {
        found.push((State::Critical, "body cannot be decompressed".into()));
    }
    if let End::Short(missing) = page.end {
        found.push((State::Critical, format!("body incomplete, {missing} bytes missing")));
    }
    found
}

fn shortened(text: &[u8]) -> String {
    // Not through a letter: half of one would be no UTF-8, and all of the text be shown as latin-1.
    let end =
        std::str::from_utf8(text).map_or(SHOWN_TEXT, |text| text.floor_char_boundary(SHOWN_TEXT));
    match text.get(..end) {
        Some(start) if text.len() > SHOWN_TEXT + DOTS.len() => text::of(start) + DOTS,
        _ => text::of(text),
    }
}

pub fn perfdata(wish: &Wish, page: &Page, times: Times) -> Vec<Perfdata> {
    let seconds = |time: Duration| Number::Decimal(time.as_secs_f64());
    let limit = Some(seconds(wish.timeout.unwrap_or_default()));
    // Only a range's end has a place here; an open one has always been printed as 0.
    let end = |range: &plugin_kit::Range| {
        Number::Decimal(Some(range.end()).filter(|end| end.is_finite()).unwrap_or(0.0))
    };
    let mut time = Perfdata::new("time", seconds(times.total), "s");
    time.warn = wish.warning.as_ref().map(end);
    time.crit = wish.critical.as_ref().map(end);
    time.min = Some(Number::Decimal(0.0));
    time.max = limit;
    let mut size = Perfdata::new("size", Number::Count(page.received), "B");
    size.min = Some(Number::Count(0));
    if wish.page.size.min > 0 {
        size.warn = Some(Number::Count(wish.page.size.min));
        size.crit = Some(Number::Count(0));
    }
    let mut items = vec![time, size];
    if wish.show.extended {
        let mut part = |label: &str, time: Option<Duration>| {
            // Without TLS its place stays, empty.
            let label = if time.is_some() { label } else { "" };
            let mut item = Perfdata::new(label, seconds(time.unwrap_or_default()), "s");
            item.max = limit;
            items.push(item);
        };
        part("time_connect", Some(times.connect));
        part("time_ssl", times.tls);
        part("time_headers", Some(page.sending));
        part("time_firstbyte", Some(page.first_byte));
        part("time_transfer", Some(page.transfer));
    }
    items.extend(json::perfdata(&page.body, &wish.page.json_perfdata));
    items
}

/// The days a certificate is still good for, as performance data.
pub fn days(left: i64, thresholds: Days) -> Perfdata {
    let mut item = Perfdata::new("certificate_days", Number::Integer(left), "");
    item.warn = Some(Number::AtLeast(thresholds.warning));
    item.crit = Some(Number::AtLeast(thresholds.critical));
    item
}

fn body(page: &Page) -> String {
    // Nagios keeps 8 KB, a person reads less.
    match page.body.get(..MAX_KEPT - 1) {
        Some(start) if page.body.len() >= MAX_KEPT => {
            format!("{}\n(only the first MiB of the body is shown)", text::of(start))
        }
        _ => text::of(&page.body),
    }
}

/// The line as a link to the page that was asked for first, with -L.
pub fn linked(wish: &Wish, line: String) -> String {
    if wish.show.link {
        format!("<A HREF=\"{}\" target=\"_blank\">{line}</A>", wish.place.shown())
    } else {
        line
    }
}
