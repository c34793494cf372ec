//! The report as plain text for an email, at most 78 columns wide.

use plugin_kit::clean;

use super::figures::{Figures, ObjectFigures, RepairCounts, distribution};
use super::format::{change, count, cut, number, percent, reason, span_or_dash, time_class};
use crate::object::Object;
use crate::ui::time;

const WIDTH: usize = 78;
/// Length of the longest bar, in columns.
const BAR: u32 = 40;

/// Returns the lines of the report.
pub fn lines(figures: &Figures) -> Vec<String> {
    let mut lines = vec![
        format!("REPAIRS IN {}", figures.periods.now.name.to_uppercase()),
        "=".repeat(WIDTH),
        String::new(),
    ];
    if figures.is_empty() {
        lines.push("Nothing was repaired or refused.".into());
        return lines;
    }
    lines.extend(headline(figures));
    lines.extend(times(&figures.now.sum));
    lines.extend(offenders(figures));
    lines.extend(refusals(figures));
    lines.extend(escalated(figures));
    lines.into_iter().map(|line| cut(&clean(&line), WIDTH, '~')).collect()
}

fn headline(figures: &Figures) -> Vec<String> {
    let (now, before) = (&figures.now.sum, &figures.before.sum);
    let row = |name: &str, now: String, before: String, change: String| {
        format!("  {name:<30}{now:>10}{before:>10}{change:>12}")
    };
    let counted = |name: &str, n: u32, b: u32| row(name, number(n), number(b), change(n, b));
    let [median, before_median] = [now, before].map(|all| span_or_dash(all.percentile(0.5)));
    let [share, before_share] = [now, before].map(|all| percent(all.healed_share()));
    vec![
        row("", "now".into(), "before".into(), String::new()),
        counted("repairs", now.repairs(), before.repairs()),
        counted("healed", now.healed, before.healed),
        row("  of completed repairs", share, before_share, String::new()),
        counted("escalated", now.escalated(), before.escalated()),
        counted("healed, then relapsed", now.relapsed, before.relapsed),
        counted("pages saved (1)", now.pages_saved, before.pages_saved),
        counted("refused", now.refused, before.refused),
        row("median time to heal", median, before_median, String::new()),
        String::new(),
        format!("  before: {}", figures.periods.before.name),
        "  (1) healed while SOFT, before Nagios notified anyone, without a relapse".into(),
    ]
}

fn section(title: &str) -> Vec<String> {
    vec![String::new(), title.to_owned(), "-".repeat(title.chars().count())]
}

fn bar(n: u32, most: u32) -> String {
    let length =
        if n == 0 { 0 } else { (u64::from(n) * u64::from(BAR) / u64::from(most.max(1))).max(1) };
    "#".repeat(usize::try_from(length).unwrap_or(0))
}

fn times(now: &RepairCounts) -> Vec<String> {
    if now.times.is_empty() {
        return Vec::new();
    }
    let classes = distribution(&now.times);
    let most = classes.iter().map(|class| class.2).max().unwrap_or(0);
    let mut lines = section("Time to heal, from the event handler call to the first OK check");
    lines.extend(classes.iter().filter(|class| class.2 > 0).map(|(from, to, n)| {
        format!("  {:<16}{:>8}  {}", time_class(*from, *to), number(*n), bar(*n, most))
    }));
    let [half, most] = [0.5, 0.9].map(|part| span_or_dash(now.percentile(part)));
    lines.push(format!("  50 % within {half}, 90 % within {most}"));
    lines
}

fn offenders(figures: &Figures) -> Vec<String> {
    if figures.now.objects.is_empty() {
        return Vec::new();
    }
    let row = |name: &str, [repairs, healed, escalated, relapsed, refused]: [String; 5]| {
        format!("  {name:<32}{repairs:>8}{healed:>8}{escalated:>10}{relapsed:>9}{refused:>8}")
    };
    let headings = ["repairs", "healed", "escalated", "relapsed", "refused"];
    let mut lines = section("Worst offenders");
    lines.push(row("", headings.map(str::to_owned)));
    lines.extend(figures.now.objects.iter().take(10).map(
        |ObjectFigures { host, service, sum }| {
            let name = Object { host, service: service.as_deref() }.to_string();
            let counts = [sum.repairs(), sum.healed, sum.escalated(), sum.relapsed, sum.refused];
            row(&cut(&name, 31, '~'), counts.map(|n| n.to_string()))
        },
    ));
    lines
}

fn refusals(figures: &Figures) -> Vec<String> {
    if figures.now.sum.refused == 0 {
        return Vec::new();
    }
    let mut lines = section("Refused");
    for (why, now, before) in figures.reasons() {
        let (why, now, before) = (cut(&reason(why), 52, '~'), number(now), number(before));
        lines.push(format!("  {why:<52}{now:>7}{before:>10} before"));
    }
    lines
}

fn escalated(figures: &Figures) -> Vec<String> {
    if figures.now.escalated.is_empty() {
        return Vec::new();
    }
    const LISTED: usize = 20;
    let all = figures.now.sum.escalated();
    let mut lines = section(&count(all, "escalated repair"));
    for record in figures.now.escalated.iter().take(LISTED) {
        let (began, state) = (time::shown(record.reserved), record.state().as_str());
        lines.push(format!("  {began}  {state:<13}  {}", Object::from(record)));
    }
    if u64::from(all) > LISTED as u64 {
        lines.push(format!("  These are the newest {LISTED}. To list all of them:"));
        lines.push("  repairctl history --outcome escalated \\".into());
        lines.push(format!("      {}", figures.periods.now.options()));
    }
    lines
}
