//! Builds the tables of the HTML page.

use std::fmt::Write;

use ledger::Record;
use policy::ReasonCode;

use super::super::figures::Figures;
use crate::ui::time::span;

use super::super::format::{change, count, number, reason, span_or_dash};
use super::html::{escape, shorten};
use crate::object::Object;
use crate::ui::time;

/// Returns an HTML table. The cells are HTML that the caller must have escaped. A heading that
/// starts with `#` marks a column of numbers, and one that starts with `@` marks a column of times.
fn table(caption: &str, headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let class = |n: usize| match headings.get(n).and_then(|heading| heading.chars().next()) {
        Some('#') => " class=\"n\"",
        Some('@') => " class=\"time\"",
        _ => "",
    };
    let heads: String = headings
        .iter()
        .enumerate()
        .map(|(n, heading)| {
            format!("<th scope=\"col\"{}>{}</th>", class(n), heading.trim_start_matches(['#', '@']))
        })
        .collect();
    let row = |cells: Vec<String>| {
        let cells = cells.iter().enumerate().map(|(n, cell)| match n {
            0 => format!("<th scope=\"row\"{}>{cell}</th>", class(n)),
            _ => format!("<td{}>{cell}</td>", class(n)),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = rows.map(row).collect();
    format!(
        "<div class=\"chart\" role=\"group\" tabindex=\"0\" aria-label=\"{caption}\">\n\
         <table>\n<caption>{caption}</caption>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

fn folded(title: &str, body: &str) -> String {
    format!("<details>\n<summary>{title}</summary>\n{body}</details>\n")
}

/// Returns a bar of length `n` for a table cell. The value `most` fills the whole width. The bar
/// has no label, because the number is in another cell.
fn bar(class: &str, n: u32, most: u32) -> String {
    let length = 100.0 * f64::from(n) / f64::from(most.max(1));
    format!(
        "<span class=\"bar\" aria-hidden=\"true\">\
         <span class=\"{class}\" style=\"width:{length:.1}%\"></span></span>"
    )
}

/// Returns a table with one row for each part of the period.
pub fn parts(figures: &Figures) -> String {
    let unit = figures.parts.unit;
    let rows = figures.parts.parts.iter().zip(&figures.now.trend).map(|(part, counts)| {
        let numbers =
            [counts.repairs(), counts.healed, counts.escalated(), counts.relapsed].map(number);
        std::iter::once(part.name.clone())
            .chain(numbers)
            .chain([span_or_dash(counts.percentile(0.5))])
            .collect()
    });
    let headings =
        ["@From", "#Repairs", "#Healed", "#Escalated", "#Relapsed", "#Median time to heal"];
    let table = table(&format!("Repairs per {unit}"), &headings, rows);
    folded(&format!("Every {unit} as a table"), &table)
}

/// Returns the table with one row for each host. If there are too many hosts, the table contains
/// only those with the most repairs.
pub fn hosts(figures: &Figures) -> String {
    let rows = figures.now.hosts.iter().map(|host| {
        let numbers =
            [host.sum.repairs(), host.sum.healed, host.sum.escalated(), host.sum.relapsed]
                .map(number);
        std::iter::once(escape(&host.host)).chain(numbers).collect()
    });
    let headings = ["Host", "#Repairs", "#Healed", "#Escalated", "#Relapsed"];
    let (listed, all) = (figures.now.hosts.len(), figures.now.all_hosts);
    let title = format!("{} as a table", count(all, "host"));
    let mut table = table("Repairs per host", &headings, rows);
    if all > listed {
        let _ = writeln!(
            table,
            "<p class=\"note\">These are the {listed} hosts with the most repairs. <code>repairctl \
             history HOST {options}</code> lists the repairs of any other host.</p>",
            options = escape(&figures.periods.now.options()),
        );
    }
    folded(&title, &table)
}

/// Returns the table of the worst objects.
pub fn offenders(figures: &Figures) -> String {
    let worst = &figures.now.objects;
    let most = worst.iter().map(|object| object.sum.repairs()).max().unwrap_or(1);
    let rows = worst.iter().map(|object| {
        let sum = &object.sum;
        let name = Object { host: &object.host, service: object.service.as_deref() }.to_string();
        let bars = bar("healed", sum.healed, most) + &bar("escalated", sum.escalated(), most);
        let numbers =
            [sum.repairs(), sum.healed, sum.escalated(), sum.relapsed, sum.refused].map(number);
        [shorten(&name, 60), bars].into_iter().chain(numbers).collect()
    });
    let headings = [
        "Object",
        "Healed (top), escalated (bottom)",
        "#Repairs",
        "#Healed",
        "#Escalated",
        "#Relapsed",
        "#Refused",
    ];
    table(
        "Sorted by the number of escalated and relapsed repairs, then by the number of all repairs",
        &headings,
        rows,
    )
}

/// Returns the table of refusals by reason.
pub fn reasons(figures: &Figures) -> String {
    let most = figures.now.reasons.first().map_or(1, |reason| reason.1);
    let rows = figures.reasons().map(|(why, now, before)| {
        vec![
            escape(&reason(why)),
            bar("refused", now, most),
            number(now),
            number(before),
            change(now, before),
        ]
    });
    let all = format!(
        "{refusals}; the ledger keeps refusals for 90 days",
        refusals = count(figures.now.sum.refused, "refusal")
    );
    table(&all, &["Reason", "", "#Now", "#Before", "#Change"], rows)
}

/// Returns the table of objects for which an open breaker refused repairs.
pub fn stopped(figures: &Figures) -> String {
    if figures.now.stopped.is_empty() {
        return "<p>No breaker refused a repair.</p>\n".into();
    }
    let breaker = ReasonCode::BreakerOpen.as_str();
    let refusals = figures.reasons().find(|(why, ..)| *why == breaker).map_or(0, |why| why.1);
    let rows = figures.now.stopped.iter().map(|stopped| {
        let name = Object { host: &stopped.host, service: stopped.service.as_deref() }.to_string();
        vec![
            shorten(&name, 60),
            number(stopped.count),
            time::shown(stopped.first),
            time::shown(stopped.last),
        ]
    });
    let objects = count(figures.now.all_stopped, "object");
    let repairs = count(refusals, "repair");
    let caption = format!(
        "Open breakers refused {repairs} for {objects}, because earlier repairs did not help"
    );
    table(&caption, &["Object", "#Repairs stopped", "@First", "@Last"], rows)
}

/// Returns the table of the most recent escalated repairs.
pub fn escalated(figures: &Figures) -> String {
    let (listed, all) = (figures.now.escalated.len(), figures.now.sum.escalated());
    let caption = match u64::from(all) > listed as u64 {
        true => format!(
            "The newest {listed} of {all}; to list all: repairctl history --outcome escalated \
             {options}",
            all = number(all),
            options = escape(&figures.periods.now.options())
        ),
        false => count(all, "repair"),
    };
    let headings = ["@Began", "Object", "Repair", "Outcome", "#Took", "What happened"];
    table(&caption, &headings, figures.now.escalated.iter().map(escalated_row))
}

fn escalated_row(record: &Record) -> Vec<String> {
    vec![
        time::shown(record.reserved),
        shorten(&Object::from(record).to_string(), 60),
        escape(&record.repair),
        escape(&record.state().as_str().replace('-', " ")),
        record.took().map(span).unwrap_or_default(),
        format!(
            "{} <span class=\"job\">{}</span>",
            shorten(&record.text, 200),
            escape(&record.job)
        ),
    ]
}
