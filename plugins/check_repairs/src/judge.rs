//! From what was seen to a verdict. Pure.

use std::fmt::Write;
use std::time::Duration;

use ledger::{Paused, Record};
use plugin_kit::{Number, Outcome, Perfdata, Range, State};
use policy::{Policy, Reason, Rounded};
use transport::{GateReason, Usage};

use crate::NAME;
use crate::cli::{Thresholds, What, Wish};
use crate::gate::Heard;
use crate::look::{Held, Seen};

/// One thing that is wrong.
struct Finding {
    state: State,
    /// A few words, for the first line.
    text: String,
    /// Lines for -v.
    detail: Vec<String>,
}

/// How many findings the first line has room for.
const FIRST_LINE: usize = 3;
/// How many lines of one finding -v shows.
const DETAIL: usize = 20;

/// The verdict on the record of all repairs.
pub fn ledger(seen: &Seen, policy: &Policy, wish: &Wish) -> Outcome {
    let What::Ledger { window, failed, budget } = &wish.what else {
        return Outcome::new(State::Unknown, NAME);
    };
    let findings = [
        breakers(&seen.held),
        failures(seen, *window, failed),
        fleet(seen, policy, budget),
        unknown(&seen.unknown, *window),
        paused(&seen.pauses),
        budgets(&seen.held),
    ];
    let fine = format!(
        "{} healed, {} failed, {} refused in {}",
        seen.healed,
        seen.failed.len(),
        seen.refused.iter().map(|count| count.count).sum::<u32>(),
        Rounded(*window)
    );
    let outcome = said(findings.into_iter().flatten().collect(), &fine, wish, &[]);
    perfdata(outcome, seen, policy, failed, budget)
}

/// The verdict on gates.
pub fn gates(heard: &[Heard], wish: &Wish) -> Outcome {
    let What::Gates { seconds, .. } = &wish.what else { return Outcome::new(State::Unknown, NAME) };
    let slowest = heard.iter().map(|heard| heard.took).max().unwrap_or_default();
    let mut findings: Vec<Finding> = heard
        .iter()
        .filter_map(unreached)
        .chain(heard.iter().flat_map(kept_from_repairing))
        .collect();
    let state = level(seconds, slowest.as_secs_f64());
    if state != State::Ok && heard.iter().all(|heard| heard.answer.is_ok()) {
        findings.push(Finding {
            state,
            text: format!("gates took {:.1} s to answer", slowest.as_secs_f64()),
            detail: Vec::new(),
        });
    }
    let lines: Vec<String> = heard.iter().map(answered).collect();
    let fine = match heard {
        [one] => answered(one),
        many => {
            format!("{} gates answer, the slowest in {:.1} s", many.len(), slowest.as_secs_f64())
        }
    };
    let mut time = Perfdata::new("time", Number::Decimal(slowest.as_secs_f64()), "s");
    time.warn = seconds.warning.map(Number::Range);
    time.crit = seconds.critical.map(Number::Range);
    time.min = Some(Number::Decimal(0.0));
    time.max = Some(Number::Decimal(wish.timeout.as_secs_f64()));
    let silent = heard.iter().filter(|heard| heard.answer.is_err()).count();
    said(findings, &fine, wish, &lines).perfdata(time).perfdata(counted("silent", silent))
}

fn unreached(heard: &Heard) -> Option<Finding> {
    let why = heard.answer.as_ref().err()?;
    Some(Finding {
        state: State::Critical,
        text: format!("gate of {}: {why}", heard.host),
        detail: Vec::new(),
    })
}

/// The repairs that would be refused now, and those whose records are nearly full. An obstacle of
/// the whole host is one finding.
fn kept_from_repairing(heard: &Heard) -> Vec<Finding> {
    let mut texts: Vec<(State, String)> = match &heard.usage {
        Ok(all) => all.iter().filter_map(obstacle).collect(),
        Err(why) => {
            vec![(State::Warning, format!("the limits of its repairs are not known: {why}"))]
        }
    };
    texts.dedup();
    let finding = |(state, text)| Finding {
        state,
        text: format!("gate of {}: {text}", heard.host),
        detail: Vec::new(),
    };
    texts.into_iter().map(finding).collect()
}

/// Returns what refuses the repair now. A running repair and a cooldown are normal, so they are OK.
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

fn answered(heard: &Heard) -> String {
    let (host, took) = (&heard.host, heard.took.as_secs_f64());
    match &heard.answer {
        Ok(version) => format!("gate of {host} answers in {took:.1} s, version {version}"),
        Err(why) => format!("gate of {host} does not answer: {why}"),
    }
}

/// The worst first; the first line has the words of a few, -v the details of all, -vv what is in
/// order as well.
fn said(mut findings: Vec<Finding>, fine: &str, wish: &Wish, all: &[String]) -> Outcome {
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
    if wish.verbose == 0 {
        return outcome;
    }
    let mut lines: Vec<String> = findings.into_iter().flat_map(details).collect();
    if wish.verbose > 1 {
        lines.push(fine.to_owned());
        lines.extend(all.iter().cloned());
    }
    // What comes from names and hosts is one line each, whatever it holds.
    let lines: Vec<String> = lines.iter().map(|line| plugin_kit::clean(line)).collect();
    if lines.is_empty() { outcome } else { outcome.long(lines.join("\n")) }
}

fn details(finding: Finding) -> Vec<String> {
    let more = finding.detail.len().saturating_sub(DETAIL);
    let mut lines = vec![format!("{}: {}", finding.state, finding.text)];
    lines.extend(finding.detail.into_iter().take(DETAIL).map(|line| format!("  {line}")));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

fn is_breaker(held: &&Held) -> bool {
    matches!(held.why, Reason::BreakerOpen { .. })
}

/// Repairs have given up there: whatever it is, it needs a person.
fn breakers(held: &[Held]) -> Option<Finding> {
    let open: Vec<&Held> = held.iter().filter(is_breaker).collect();
    let first = open.first()?;
    let more = if open.len() > 1 { format!(" and {} more", open.len() - 1) } else { String::new() };
    let detail = open.iter().map(|held| format!("{}: {}", held.object, held.why)).collect();
    Some(Finding {
        state: State::Critical,
        text: format!("breaker open for {}{more}", first.object),
        detail,
    })
}

fn budgets(held: &[Held]) -> Option<Finding> {
    let spent: Vec<&Held> = held.iter().filter(|held| !is_breaker(held)).collect();
    let first = spent.first()?;
    let more =
        if spent.len() > 1 { format!(" and {} more", spent.len() - 1) } else { String::new() };
    let detail = spent.iter().map(|held| format!("{}: {}", held.object, held.why)).collect();
    Some(Finding {
        state: State::Warning,
        text: format!("budget of {}{more} spent", first.object),
        detail,
    })
}

fn failures(seen: &Seen, window: Duration, thresholds: &Thresholds) -> Option<Finding> {
    let failed = seen.failed.len();
    #[allow(clippy::cast_precision_loss, reason = "no ledger has 2^52 repairs")]
    let state = level(thresholds, failed as f64);
    let back = if seen.came_back > 0 {
        format!(", {} of them healed and soon back", seen.came_back)
    } else {
        String::new()
    };
    let text = format!(
        "{failed} {} failed in {}{back}",
        if failed == 1 { "repair" } else { "repairs" },
        Rounded(window)
    );
    (state != State::Ok).then(|| Finding {
        state,
        text,
        detail: seen.failed.iter().map(job).collect(),
    })
}

fn fleet(seen: &Seen, policy: &Policy, thresholds: &Thresholds) -> Option<Finding> {
    let quota = &policy.fleet.started;
    let (started, count) = (seen.fleet.started, quota.count);
    let used = if count == 0 { 100.0 } else { 100.0 * f64::from(started) / f64::from(count) };
    let state = level(thresholds, used);
    let left = quota.per.saturating_sub(seen.fleet.oldest_start);
    let then = if started >= count {
        format!("; allowed again in {}", Rounded(left))
    } else {
        String::new()
    };
    let text = format!("{started} of {count} repairs started in {}", Rounded(quota.per));
    let detail =
        vec![format!("of all hosts together, {used:.0} % of what the policy allows{then}")];
    (state != State::Ok).then_some(Finding { state, text, detail })
}

fn unknown(records: &[Record], window: Duration) -> Option<Finding> {
    let first = records.first()?;
    let more =
        if records.len() > 1 { format!(" and {} more", records.len() - 1) } else { String::new() };
    let text = format!("outcome unknown for {}{more} in {}", object(first), Rounded(window));
    Some(Finding { state: State::Warning, text, detail: records.iter().map(job).collect() })
}

fn paused(pauses: &[Paused]) -> Option<Finding> {
    let first = pauses.first()?;
    let more =
        if pauses.len() > 1 { format!(", and {} more", pauses.len() - 1) } else { String::new() };
    let text = format!("paused: {} by {} ({}){more}", scope(first), first.by, first.reason);
    let line = |pause: &Paused| format!("{} by {}: {}", scope(pause), pause.by, pause.reason);
    Some(Finding { state: State::Warning, text, detail: pauses.iter().map(line).collect() })
}

fn scope(pause: &Paused) -> String {
    match (&pause.host, &pause.service) {
        (None, _) => "everything".into(),
        (Some(host), None) => host.clone(),
        (Some(host), Some(service)) => format!("{host}/{service}"),
    }
}

fn object(record: &Record) -> String {
    match &record.service {
        Some(service) => format!("{}/{service}", record.host),
        None => record.host.clone(),
    }
}

fn job(record: &Record) -> String {
    let text = if record.ended.is_none() { "its worker is dead" } else { &record.text };
    format!(
        "{} with {}, job {}: {}: {text}",
        object(record),
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
    seen: &Seen,
    policy: &Policy,
    failed: &Thresholds,
    budget: &Thresholds,
) -> Outcome {
    let fleet = &policy.fleet;
    let mut failures = counted("failed", seen.failed.len());
    failures.warn = failed.warning.map(|range| Number::Range(range.of_counts()));
    failures.crit = failed.critical.map(|range| Number::Range(range.of_counts()));
    let mut running = counted("running", seen.running as usize);
    running.max = Some(Number::Count(fleet.running.into()));
    let mut used = counted("budget", seen.fleet.started as usize);
    let share = |percent: Range| {
        Number::Range(percent.percent_of(f64::from(fleet.started.count)).of_counts())
    };
    used.warn = budget.warning.map(share);
    used.crit = budget.critical.map(share);
    used.max = Some(Number::Count(fleet.started.count.into()));
    let refused = seen.refused.iter().map(|count| count.count as usize).sum();
    [
        counted("healed", seen.healed as usize),
        failures,
        counted("unknown", seen.unknown.len()),
        counted("refused", refused),
        running,
        counted("paused", seen.pauses.len()),
        counted("breakers", seen.held.iter().filter(is_breaker).count()),
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
    fn warns_of_a_used_up_budget_and_not_of_a_repair_that_has_just_run() {
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
