//! The report as a single HTML page without scripts, network access or other files. The charts are
//! inline SVG. The tables contain the same numbers as the charts.

mod hosts;
mod html;
mod svg;
mod tables;
mod times;

use std::fmt::Write;

use super::figures::Figures;
use super::format::{change, count, number, percent, span_or_dash};
use crate::ui::time;
use html::escape;

/// Returns the report as an HTML document.
pub fn page(figures: &Figures) -> String {
    let title = format!("Repairs in {}", escape(&figures.periods.now.name));
    let body: String = match figures.is_empty() {
        true => "<p class=\"lead\">Nothing was repaired or refused.</p>".into(),
        false => sections(figures).concat(),
    };
    let made = time::shown(figures.made);
    let before = escape(&figures.periods.before.name);
    // If a hostile name ever gets into the page as markup, this content security policy keeps the
    // browser from loading or running anything.
    let only_itself = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{only_itself}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link \
         rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>\n{style}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n\
         <footer><p>nagios-selfheal generated this report on {made}, in this server's local time. \
         It compares the period with {before}.</p></footer>\n\
         </body>\n</html>\n",
        style = include_str!("style.css"),
    )
}

fn sections(figures: &Figures) -> Vec<String> {
    let mut sections = vec![lead(figures), tiles(figures)];
    if figures.now.sum.repairs() > 0 {
        let parts = [hosts::chart, tables::parts, tables::hosts].map(|part| part(figures));
        sections.push(section("When and where", &parts.concat()));
    }
    if !figures.now.sum.times.is_empty() {
        sections.push(section("Time to heal", &times::charts(figures)));
    }
    if !figures.now.objects.is_empty() {
        sections.push(section("Worst offenders", &tables::offenders(figures)));
    }
    if figures.now.sum.refused > 0 {
        sections.push(section("Refused", &tables::reasons(figures)));
        sections.push(section("What the breaker stopped", &tables::stopped(figures)));
    }
    if !figures.now.escalated.is_empty() {
        sections.push(section("Escalated", &tables::escalated(figures)));
    }
    sections
}

fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{body}</section>\n")
}

/// Returns up to three sentences that summarize the period.
fn lead(figures: &Figures) -> String {
    let now = &figures.now.sum;
    let hosts = count(figures.now.all_hosts, "host");
    let mut text = match now.repairs() {
        0 => "Nothing was repaired.".to_owned(),
        repairs => format!("{} on {hosts}.", count(repairs, "repair")),
    };
    if let (Some(share), Some(median)) = (now.healed_share(), now.percentile(0.5)) {
        let _ = write!(
            text,
            " {share} of the completed repairs healed the fault, half of these within {median}.",
            share = percent(Some(share)),
            median = crate::ui::time::span(median)
        );
    }
    if now.escalated() > 0 {
        let _ = write!(text, " {} escalated.", were(now.escalated()));
    }
    format!("<p class=\"lead\">{text}</p>\n")
}

fn were(n: u32) -> String {
    format!("{} {}", number(n), if n == 1 { "was" } else { "were" })
}

/// Returns the most important figures, each with its value in the previous period.
fn tiles(figures: &Figures) -> String {
    let (now, before) = (&figures.now.sum, &figures.before.sum);
    let counted = |n: u32, b: u32| {
        let change = change(n, b);
        let change = if change.is_empty() { String::new() } else { format!(" ({change})") };
        (number(n), format!("before: {}{change}", number(b)))
    };
    let tile = |name: &str, (value, note): (String, String), more: &str| {
        let more =
            if more.is_empty() { String::new() } else { format!("<dd class=\"note\">{more}</dd>") };
        format!(
            "<div><dt>{name}</dt><dd class=\"value\">{value}</dd>\
             <dd class=\"note\">{note}</dd>{more}</div>\n"
        )
    };
    let [share, share_before] = [now, before].map(|all| percent(all.healed_share()));
    let healed = format!("{share} of completed repairs; before: {share_before}");
    let [median, median_before] = [now, before].map(|all| span_or_dash(all.percentile(0.5)));
    let medians = (median, format!("before: {median_before}"));
    let slow = format!("90 % within {}", span_or_dash(now.percentile(0.9)));
    let [failed, not_run, unknown] = [now.not_healed, now.could_not_run, now.unknown].map(number);
    let escalated = format!("{failed} not healed, {not_run} could not run, {unknown} unknown");
    let relapsed = format!("{} more relapsed", number(now.relapsed));
    let tiles = [
        tile("Repairs started", counted(now.repairs(), before.repairs()), &running(now.running)),
        tile("Healed", counted(now.healed, before.healed), &healed),
        tile("Escalated", counted(now.escalated(), before.escalated()), &escalated),
        tile("Pages saved", counted(now.pages_saved, before.pages_saved), &relapsed),
        tile("Refused", counted(now.refused, before.refused), "nothing was run"),
        tile("Median time to heal", medians, &slow),
    ];
    format!(
        "<dl class=\"tiles\">\n\
         {tiles}</dl>\n\
         <p class=\"note\">A page counts as saved if the fault was healed while its state was \
         SOFT, before Nagios notified anyone, and if the same service was not repaired again \
         within the policy's <code>relapse</code>. A fault that was healed in a HARD state does \
         not count, because Nagios had already notified people.</p>\n",
        tiles = tiles.concat()
    )
}

fn running(n: u32) -> String {
    if n == 0 { String::new() } else { format!("{} running now", number(n)) }
}
