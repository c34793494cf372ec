//! Performance data: times, sizes and the days until a certificate expires.

use std::collections::HashSet;
use std::time::Duration;

use plugin_kit::{Number, Perfdata, Range};

use super::json;
use crate::http::response::Response;
use crate::spec::{CertificateDays, CheckSpec};
use crate::text;

/// Labels of the items that check_http itself prints.
const OWN_LABELS: [&str; 8] = [
    "time",
    "size",
    "time_connect",
    "time_ssl",
    "time_headers",
    "time_firstbyte",
    "time_transfer",
    "certificate_days",
];
/// Maximum number of items that -o accepts. The number is limited because monitoring systems create
/// a file or a time series for each item.
const MAX_BODY_ITEMS: usize = 100;
/// Maximum number of bytes of a body that -o reads. Nagios reads only 8 KB of a plugin's output.
const MAX_BODY_TEXT: usize = 8 << 10;

/// Durations of the whole check and of the phases before its last request.
#[derive(Debug, Clone, Copy, Default)]
pub struct PhaseTimes {
    /// Time from the start of the check to its result.
    pub total: Duration,
    /// Time for the name lookup and the connection together.
    pub connect: Duration,
    /// Time for the TLS handshake, or `None` without TLS.
    pub tls: Option<Duration>,
}

/// Returns the performance data for a response.
pub fn of_response(spec: &CheckSpec, response: &Response, times: PhaseTimes) -> Vec<Perfdata> {
    let mut items = vec![time(spec, times), size(spec, response)];
    if spec.output.extended {
        let mut part = |label: &str, time: Option<Duration>| {
            // Without TLS, print nothing in place of time_ssl, so that two spaces follow each other
            // as in monitoring-plugins. An item with an empty label is not printed.
            let label = if time.is_some() { label } else { "" };
            let mut item = Perfdata::new(label, seconds(time.unwrap_or_default()), "s");
            item.max = limit(spec);
            items.push(item);
        };
        part("time_connect", Some(times.connect));
        part("time_ssl", times.tls);
        part("time_headers", Some(response.meta.sending));
        part("time_firstbyte", Some(response.meta.first_byte));
        part("time_transfer", Some(response.meta.last_byte));
    }
    items.extend(json::perfdata(&response.body, &spec.response.json_perfdata));
    items
}

/// Adds performance data from a body to `items`: at most 100 items, and only from the first 8 KiB.
/// Leaves out items whose label is already in use, because they would replace our own values in
/// graphs. Returns a note if anything was left out.
pub fn add_body(items: &mut Vec<Perfdata>, body: &[u8]) -> Option<String> {
    let body = text::decode(body);
    let cut = body.len() > MAX_BODY_TEXT;
    let body = match body.get(..body.floor_char_boundary(MAX_BODY_TEXT)) {
        // Leave out the last word, which may be incomplete.
        Some(start) if cut => start.trim_end_matches(|c: char| !c.is_whitespace()),
        _ => &body,
    };
    let (found, mut ignored) = plugin_kit::parse_perfdata(body);
    let mut labels: HashSet<String> = items.iter().map(|item| item.label.clone()).collect();
    labels.extend(OWN_LABELS.map(String::from));
    let room = items.len() + MAX_BODY_ITEMS;
    for item in found {
        if items.len() < room && labels.insert(item.label.clone()) {
            items.push(item);
        } else {
            ignored += 1;
        }
    }
    let rest = if cut { ", and everything after the first 8 KiB" } else { "" };
    (ignored > 0 || cut).then(|| {
        format!(
            "-o ignored {ignored} words in the body that are not performance data, repeat a label \
             or follow the first {MAX_BODY_ITEMS} items{rest}"
        )
    })
}

/// Returns the performance data for a check that got no response: the elapsed time and a size of 0.
pub fn of_failure(spec: &CheckSpec, elapsed: Duration) -> [Perfdata; 2] {
    let times = PhaseTimes { total: elapsed, ..PhaseTimes::default() };
    [time(spec, times), size(spec, &Response::default())]
}

/// Returns the performance data item for the days until a certificate expires.
pub fn certificate_days(left: i64, thresholds: CertificateDays) -> Perfdata {
    let mut item = Perfdata::new("certificate_days", Number::Integer(left), "");
    item.warn = Some(Number::AtLeast(thresholds.warning));
    item.crit = Some(Number::AtLeast(thresholds.critical));
    item
}

fn time(spec: &CheckSpec, times: PhaseTimes) -> Perfdata {
    // Like monitoring-plugins, print only the upper end of a range, or 0 if the range has no upper
    // end.
    let end = |range: Range| {
        Number::Decimal(Some(range.end()).filter(|end| end.is_finite()).unwrap_or(0.0))
    };
    let mut time = Perfdata::new("time", seconds(times.total), "s");
    time.warn = spec.warning.map(end);
    time.crit = spec.critical.map(end);
    time.min = Some(Number::Decimal(0.0));
    time.max = limit(spec);
    time
}

fn size(spec: &CheckSpec, response: &Response) -> Perfdata {
    let mut size = Perfdata::new("size", Number::Count(response.meta.received), "B");
    size.min = Some(Number::Count(0));
    if spec.response.size.min > 0 && !spec.response.size.alert_inside {
        size.warn = Some(Number::Count(spec.response.size.min));
        size.crit = Some(Number::Count(0));
    }
    size
}

fn limit(spec: &CheckSpec) -> Option<Number> {
    Some(seconds(spec.timeout.unwrap_or_default()))
}

fn seconds(time: Duration) -> Number {
    Number::Decimal(time.as_secs_f64())
}
