//! Evaluates the state of repairs or of gates. This module does no I/O.

use std::fmt::Write;
use std::time::Duration;

use ledger::{HeldBack, Record};
use plugin_kit::{Number, Outcome, Perfdata, Range, State};
use policy::{Policy, Reason, Rounded};
use transport::{GateReason, Usage};

use crate::cli::{CheckOptions, GatesCheck, LedgerCheck, Thresholds};
use crate::collect::{LedgerSummary, PausedScope};
use crate::gate::GateReply;

/// The word that starts the first line of output.
pub const NAME: &str = "REPAIRS";

/// A problem, or a remark with the state OK.
struct CheckFinding {
    state: State,
    /// Summary for the first line of output.
    text: String,
    /// Lines that -v adds.
    detail: Vec<String>,
}

/// Maximum number of findings in the first line.
const FIRST_LINE: usize = 3;
/// Maximum number of detail lines that -v prints for one finding.
const DETAIL: usize = 20;

/// Evaluates what the ledger contains.
pub fn ledger(
    summary: &LedgerSummary,
    policy: &Policy,
    check: &LedgerCheck,
    options: &CheckOptions,
) -> Outcome {
    let findings = [
        breakers(&summary.held_back),
        failures(summary, check),
        fleet(summary, policy, &check.budget),
        unknown(&summary.unknown, check.window),
        paused(&summary.pauses),
        budgets(&summary.held_back),
    ];
    let fine = format!(
        "{} healed, {} failed, {} refused in {}",
        summary.healed,
        summary.failed.len(),
        summary.refused,
        Rounded(check.window)
    );
    let all = vec![fine.clone()];
    let outcome = outcome(findings.into_iter().flatten().collect(), &fine, options, all);
    perfdata(outcome, summary, policy, check)
}

/// Evaluates what the gates answered.
pub fn gates(replies: &[GateReply], check: &GatesCheck, options: &CheckOptions) -> Outcome {
    let seconds = &check.seconds;
    let slowest = replies.iter().map(|reply| reply.took).max().unwrap_or_default();
    let mut findings: Vec<CheckFinding> =
        replies.iter().filter_map(unreached).chain(replies.iter().flat_map(obstacles)).collect();
    let state = level(seconds, slowest.as_secs_f64());
    if state != State::Ok && replies.iter().all(|reply| reply.version.is_ok()) {
        findings.push(CheckFinding {
            state,
            text: format!("the slowest gate took {:.1} s to answer", slowest.as_secs_f64()),
            detail: Vec::new(),
        });
    }
    let lines: Vec<String> = replies.iter().map(answered).collect();
    let fine = match replies {
        [one] => answered(one),
        many => {
            let took = slowest.as_secs_f64();
            format!("all {} gates answer, the slowest in {took:.1} s", many.len())
        }
    };
    let mut time = Perfdata::new("time", Number::Decimal(slowest.as_secs_f64()), "s");
    time.warn = seconds.warning.map(Number::Range);
    time.crit = seconds.critical.map(Number::Range);
    time.min = Some(Number::Decimal(0.0));
    time.max = Some(Number::Decimal(options.timeout.as_secs_f64()));
    let silent = replies.iter().filter(|reply| reply.version.is_err()).count();
    outcome(findings, &fine, options, lines).perfdata(time).perfdata(counted("silent", silent))
}

fn unreached(reply: &GateReply) -> Option<CheckFinding> {
    let why = reply.version.as_ref().err()?;
    Some(CheckFinding {
        state: State::Critical,
        text: format!("the gate of {}: {why}", reply.host),
        detail: Vec::new(),
    })
}

/// Returns a finding for each repair that the gate would refuse now, and for each repair that has
/// nearly reached its maximum number of records. An obstacle that concerns the whole host is
/// reported only once.
fn obstacles(reply: &GateReply) -> Vec<CheckFinding> {
    let mut texts: Vec<(State, String)> = match &reply.usage {
        Ok(all) => all.iter().filter_map(obstacle).collect(),
        Err(why) => {
            vec![(State::Warning, format!("cannot query the limits of this gate's repairs: {why}"))]
        }
    };
    texts.dedup();
    let finding = |(state, text)| CheckFinding {
        state,
        text: format!("the gate of {}: {text}", reply.host),
        detail: Vec::new(),
    };
    texts.into_iter().map(finding).collect()
}

/// Returns the state and the reason if the gate would refuse the repair now, or if the repair has
/// nearly reached its maximum number of records. A running repair and a cooldown are normal, so
/// their state is OK.
fn obstacle(usage: &Usage) -> Option<(State, String)> {
    let nearly_full = || usage.nearly_full().map(|text| (State::Warning, text));
    let Some(obstacle) = &usage.obstacle else { return nearly_full() };
    match obstacle.reason {
        GateReason::Busy | GateReason::Cooldown => {
            nearly_full().or_else(|| Some((State::Ok, obstacle.text.clone())))
        }
        _ => Some((State::Warning, obstacle.text.clone())),
    }
}

fn answered(reply: &GateReply) -> String {
    let (host, took) = (&reply.host, reply.took.as_secs_f64());
    match &reply.version {
        Ok(version) => format!("the gate of {host} answers in {took:.1} s, version {version}"),
        Err(why) => format!("the gate of {host} did not report its version: {why}"),
    }
}

/// Builds the output. The worst findings come first, and the first line contains at most
/// [`FIRST_LINE`] of them. `-v` adds the details of all findings, and `-vv` also adds the lines in
/// `all`.
fn outcome(
    mut findings: Vec<CheckFinding>,
    fine: &str,
    options: &CheckOptions,
    all: Vec<String>,
) -> Outcome {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.state.code()));
    let state = findings.iter().fold(State::Ok, |state, finding| state.worst(finding.state));
    let mut line = format!("{NAME} {state}: ");
    if findings.is_empty() {
        line.push_str(fine);
    } else {
        let words: Vec<&str> =
            findings.iter().take(FIRST_LINE).map(|finding| finding.text.as_str()).collect();
        line.push_str(&words.join("; "));
        let more = findings.len().saturating_sub(FIRST_LINE);
        if more > 0 {
            let _ = write!(line, "; and {more} more");
        }
    }
    let outcome = Outcome::new(state, line + " ");
    if options.verbose == 0 {
        return outcome;
    }
    let mut lines: Vec<String> = findings.into_iter().flat_map(details).collect();
    if options.verbose > 1 {
        lines.extend(all);
    }
    // Clean each line, because names and text from hosts can contain line breaks.
    let lines: Vec<String> = lines.iter().map(|line| plugin_kit::clean(line)).collect();
    if lines.is_empty() { outcome } else { outcome.long(lines.join("\n")) }
}

fn details(finding: CheckFinding) -> Vec<String> {
    let more = finding.detail.len().saturating_sub(DETAIL);
    let mut lines = vec![format!("{}: {}", finding.state, finding.text)];
    lines.extend(finding.detail.into_iter().take(DETAIL).map(|line| format!("  {line}")));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

fn is_breaker(held: &&HeldBack) -> bool {
    matches!(held.reason, Reason::BreakerOpen { .. })
}

/// Reports open breakers as CRITICAL, because a person must then fix the fault.
fn breakers(all: &[HeldBack]) -> Option<CheckFinding> {
    let open: Vec<&HeldBack> = all.iter().filter(is_breaker).collect();
    held_back(State::Critical, &open, |objects| format!("the breaker is open for {objects}"))
}

fn budgets(all: &[HeldBack]) -> Option<CheckFinding> {
    let spent: Vec<&HeldBack> = all.iter().filter(|held| !is_breaker(held)).collect();
    held_back(State::Warning, &spent, |objects| format!("the budget is used up for {objects}"))
}

fn held_back(
    state: State,
    held: &[&HeldBack],
    text: impl Fn(String) -> String,
) -> Option<CheckFinding> {
    let objects = format!("{}{}", held.first()?.object(), and_more(held.len()));
    let detail = held.iter().map(|held| format!("{}: {}", held.object(), held.reason)).collect();
    Some(CheckFinding { state, text: text(objects), detail })
}

/// Returns ` and N more` for a message that names only the first of `count` things.
fn and_more(count: usize) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}

fn failures(summary: &LedgerSummary, check: &LedgerCheck) -> Option<CheckFinding> {
    let failed = summary.failed.len();
    #[allow(clippy::cast_precision_loss, reason = "no ledger contains 2^52 repairs")]
    let state = level(&check.failed, failed as f64);
    let back = if summary.relapsed > 0 {
        format!(", {} of them relapsed", summary.relapsed)
    } else {
        String::new()
    };
    let text = format!(
        "{failed} {} failed in {}{back}",
        if failed == 1 { "repair" } else { "repairs" },
        Rounded(check.window)
    );
    (state != State::Ok).then(|| CheckFinding {
        state,
        text,
        detail: summary.failed.iter().map(job).collect(),
    })
}

fn fleet(
    summary: &LedgerSummary,
    policy: &Policy,
    thresholds: &Thresholds,
) -> Option<CheckFinding> {
    let quota = &policy.fleet.started;
    let (started, count) = (summary.fleet.started, quota.count);
    let used = if count == 0 { 100.0 } else { 100.0 * f64::from(started) / f64::from(count) };
    let state = level(thresholds, used);
    let left = quota.per.saturating_sub(summary.fleet.oldest_start);
    let then = if started >= count {
        format!("; repairs are allowed again in {}", Rounded(left))
    } else {
        String::new()
    };
    let per = Rounded(quota.per);
    let text = format!("the fleet has started {started} of at most {count} repairs in {per}");
    let detail =
        vec![format!("all hosts together have used {used:.0} % of the fleet's budget{then}")];
    (state != State::Ok).then_some(CheckFinding { state, text, detail })
}

fn unknown(records: &[Record], window: Duration) -> Option<CheckFinding> {
    let first = records.first()?;
    let more = and_more(records.len());
    let text =
        format!("repairs with an unknown outcome in {}: {}{more}", Rounded(window), first.object());
    Some(CheckFinding { state: State::Warning, text, detail: records.iter().map(job).collect() })
}

fn paused(pauses: &[PausedScope]) -> Option<CheckFinding> {
    let lines: Vec<String> =
        pauses.iter().map(|PausedScope { scope, reason }| format!("{scope}: {reason}")).collect();
    let text = format!("{}{}", lines.first()?, and_more(lines.len()));
    Some(CheckFinding { state: State::Warning, text, detail: lines })
}

fn job(record: &Record) -> String {
    let text = if record.ended.is_none() { "its worker is dead" } else { &record.text };
    format!(
        "{}: repair {}, job {}: {}: {text}",
        record.object(),
        record.repair,
        record.job,
        record.state().as_str()
    )
}

fn level(thresholds: &Thresholds, value: f64) -> State {
    let alerts = |range: &Option<Range>| range.is_some_and(|range| range.alerts(value));
    if alerts(&thresholds.critical) {
        State::Critical
    } else if alerts(&thresholds.warning) {
        State::Warning
    } else {
        State::Ok
    }
}

fn counted(label: &str, n: usize) -> Perfdata {
    let mut item = Perfdata::new(label, Number::Count(n as u64), "");
    item.min = Some(Number::Count(0));
    item
}

fn perfdata(
    outcome: Outcome,
    summary: &LedgerSummary,
    policy: &Policy,
    check: &LedgerCheck,
) -> Outcome {
    let fleet = &policy.fleet;
    let mut failures = counted("failed", summary.failed.len());
    failures.warn = check.failed.warning.map(|range| Number::Range(range.of_counts()));
    failures.crit = check.failed.critical.map(|range| Number::Range(range.of_counts()));
    let mut running = counted("running", summary.running as usize);
    running.max = Some(Number::Count(fleet.running.into()));
    let mut used = counted("budget", summary.fleet.started as usize);
    let share = |percent: Range| {
        Number::Range(percent.percent_of(f64::from(fleet.started.count)).of_counts())
    };
    used.warn = check.budget.warning.map(share);
    used.crit = check.budget.critical.map(share);
    used.max = Some(Number::Count(fleet.started.count.into()));
    [
        counted("healed", summary.healed as usize),
        failures,
        counted("unknown", summary.unknown.len()),
        counted("refused", summary.refused as usize),
        running,
        counted("paused", summary.pauses.len()),
        counted("breakers", summary.held_back.iter().filter(is_breaker).count()),
        used,
    ]
    .into_iter()
    .fold(outcome, Outcome::perfdata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transport::Obstacle;

    #[test]
    fn warns_about_used_up_budget_but_not_about_cooldown() {
        let usage = |reason, records| Usage {
            repair: "httpd".parse().unwrap(),
            records,
            most: 1000,
            room_in: Some(60.0),
            obstacle: Some(Obstacle { reason, text: "not now".into(), retry_after: Some(60.0) }),
        };
        let state = |reason, records| obstacle(&usage(reason, records)).map(|(state, _)| state);
        assert_eq!(state(GateReason::Cooldown, 1), Some(State::Ok));
        assert_eq!(state(GateReason::Busy, 1), Some(State::Ok));
        assert_eq!(state(GateReason::Cooldown, 950), Some(State::Warning), "nearly full");
        assert_eq!(state(GateReason::Budget, 1), Some(State::Warning));
        assert_eq!(state(GateReason::State, 1000), Some(State::Warning));
    }
}
