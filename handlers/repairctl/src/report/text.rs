//! A report as text of 78 columns, for a mail.

use plugin_kit::clean;

use super::figures::{Figures, RepairCounts, distribution};
use super::format::{change, count, number, percent, reason, span_or_dash, time_class};
use crate::history::object;
use crate::object::Object;
use crate::ui::time;

const WIDTH: usize = 78;
/// The longest bar, in columns.
const BAR: u32 = 40;

/// Returns the lines of the report.
pub fn lines(figures: &Figures) -> Vec<String> {
    let mut lines = vec![
        format!("REPAIRS IN {}", figures.periods.now.name.to_uppercase()),
        "=".repeat(WIDTH),
        String::new(),
    ];
    if figures.is_empty() {
        lines.push("Nothing was repaired, and nothing refused.".into());
        return lines;
    }
    lines.extend(headline(figures));
    lines.extend(times(&figures.now));
    lines.extend(offenders(figures));
    lines.extend(refusals(figures));
    lines.extend(escalated(figures));
    lines.into_iter().map(|line| fit(&clean(&line), WIDTH)).collect()
}

fn headline(figures: &Figures) -> Vec<String> {
    let (now, before) = (&figures.now, &figures.before);
    let row = |name: &str, now: String, before: String, change: String| {
        format!("  {name:<30}{now:>10}{before:>10}{change:>12}")
    };
    let counted = |name: &str, n: u32, b: u32| row(name, number(n), number(b), change(n, b));
    let (median, before_median) =
        (span_or_dash(now.percentile(0.5)), span_or_dash(before.percentile(0.5)));
    vec![
        row("", "now".into(), "before".into(), String::new()),
        counted("repairs", now.repairs(), before.repairs()),
        counted("healed", now.healed, before.healed),
        row(
            "  of those that ended",
            percent(now.healed_share()),
            percent(before.healed_share()),
            String::new(),
        ),
        counted("escalated", now.escalated(), before.escalated()),
        counted("healed, but relapsed", now.relapsed, before.relapsed),
        counted("pages saved (1)", now.pages_saved, before.pages_saved),
        counted("refused", now.refused, before.refused),
        row("half of the healings within", median, before_median, String::new()),
        String::new(),
        format!("  before: {}", figures.periods.before.name),
        "  (1) healed while SOFT, which Nagios tells nobody of, and not relapsed".into(),
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
    let mut lines = section("Time to heal, from the call to the good check");
    lines.extend(classes.iter().filter(|class| class.2 > 0).map(|(from, to, n)| {
        format!("  {:<16}{:>8}  {}", time_class(*from, *to), number(*n), bar(*n, most))
    }));
    lines.push(format!(
        "  half within {}, nine of ten within {}",
        span_or_dash(now.percentile(0.5)),
        span_or_dash(now.percentile(0.9))
    ));
    lines
}

fn offenders(figures: &Figures) -> Vec<String> {
    if figures.objects.is_empty() {
        return Vec::new();
    }
    let mut lines = section("Worst offenders");
    lines.push(format!(
        "  {:<32}{:>8}{:>8}{:>10}{:>9}{:>8}",
        "", "repairs", "healed", "escalated", "relapsed", "refused"
    ));
    for worst in figures.objects.iter().take(10) {
        let name = Object { host: &worst.host, service: worst.service.as_deref() }.to_string();
        let sum = &worst.sum;
        lines.push(format!(
            "  {:<32}{:>8}{:>8}{:>10}{:>9}{:>8}",
            fit(&name, 31),
            sum.repairs(),
            sum.healed,
            sum.escalated(),
            sum.relapsed,
            sum.refused
        ));
    }
    lines
}

fn refusals(figures: &Figures) -> Vec<String> {
    if figures.now.refused == 0 {
        return Vec::new();
    }
    let mut lines = section("Refused");
    for (why, now, before) in figures.reasons.iter().filter(|(_, now, _)| *now > 0) {
        lines.push(format!(
            "  {:<40}{:>8}{:>10} before",
            fit(&reason(why), 40),
            number(*now),
            number(*before)
        ));
    }
    lines
}

fn escalated(figures: &Figures) -> Vec<String> {
    if figures.escalated.is_empty() {
        return Vec::new();
    }
    const LISTED: usize = 20;
    let mut lines = section(&count(figures.escalated.len(), "escalated repair"));
    for record in figures.escalated.iter().take(LISTED) {
        let text = format!(
            "  {}  {:<13}  {}",
            time::shown(record.reserved),
            record.state().as_str(),
            object(record)
        );
        lines.push(text);
    }
    if figures.escalated.len() > LISTED {
        lines.push(format!(
            "  the newest {LISTED}; the others: repairctl history --outcome not-healed"
        ));
    }
    lines
}

/// Cuts a text to a width; `~` marks that something is missing.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        text.to_owned()
    } else {
        text.chars().take(width - 1).chain(['~']).collect()
    }
}
