//! Charts of the time to heal: a histogram, and a chart over time.

use std::time::Duration;

use super::super::figures::{Figures, distribution};
use crate::ui::time::span;

use super::super::format::{count, number, span_or_dash, time_class};
use super::svg::{Anchor, Chart};

const WIDTH: f64 = 460.0;
const ROW: f64 = 22.0;

/// Draws both charts, side by side where there is room.
pub fn charts(figures: &Figures) -> String {
    format!(
        "<p>The time from the event handler call to the first OK check was at most {half} for 50 % \
         of the healed faults, and at most {most} for 90 % of them.</p>\n\
         <div class=\"pair\">\n\
         {histogram}{trend}</div>\n",
        half = span_or_dash(figures.now.sum.percentile(0.5)),
        most = span_or_dash(figures.now.sum.percentile(0.9)),
        histogram = histogram(figures),
        trend = trend(figures)
    )
}

fn histogram(figures: &Figures) -> String {
    let classes = distribution(&figures.now.sum.times);
    let used = |class: &(Duration, Option<Duration>, u32)| class.2 > 0;
    let first = classes.iter().position(used).unwrap_or(0);
    let last = classes.iter().rposition(used).unwrap_or(0);
    let classes = classes.get(first..=last).unwrap_or_default();
    let most = classes.iter().map(|class| class.2).max().unwrap_or(1).max(1);
    let (left, right) = (110.0, 60.0);
    #[allow(clippy::cast_precision_loss, reason = "a dozen rows")]
    let height = classes.len() as f64 * ROW + 8.0;
    let about = "Each bar shows the number of repairs in one range of times.";
    let mut chart = Chart::new(WIDTH, height, "Distribution of the time to heal", about);
    let mut y = 4.0;
    for (from, to, n) in classes {
        let name = time_class(*from, *to);
        let length = f64::from(*n) / f64::from(most) * (WIDTH - left - right);
        chart.text("tick", Anchor::End, left - 8.0, y + 15.0, &name);
        if *n > 0 {
            let title = format!("{name}: {}", count(*n, "healed fault"));
            chart.bar("healed", left, y + 3.0, length.max(1.5), ROW - 6.0, &title);
        }
        chart.text("number", Anchor::Start, left + length + 6.0, y + 15.0, &number(*n));
        y += ROW;
    }
    chart.line("axis", (left, 2.0), (left, height - 2.0));
    chart.figure("Healed faults by time to heal")
}

const TICKS: [u64; 9] =
    [100, 1000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000, 360_000_000, 3_600_000_000];

fn log(time: Duration) -> f64 {
    time.as_secs_f64().max(0.001).log10()
}

/// Draws, for each part of the period, the median and the range from the 10th to the 90th
/// percentile on a logarithmic scale.
fn trend(figures: &Figures) -> String {
    let (left, right, top, bottom, height) = (56.0, 10.0, 10.0, 34.0, 260.0);
    let all = &figures.now.sum.times;
    let within =
        |part| figures.now.trend.iter().filter_map(move |counts| counts.percentile(part)).map(log);
    let low = within(0.1).chain(all.first().map(|_| 0.0)).fold(f64::INFINITY, f64::min) - 0.1;
    let high = within(0.9).fold(f64::NEG_INFINITY, f64::max).max(low + 1.0) + 0.1;
    let y = |value: f64| top + (high - value) / (high - low) * (height - top - bottom);
    let unit = figures.parts.unit;
    let about = format!(
        "For each {unit}, a dot shows the median, and a line runs from the 10th to the 90th \
         percentile."
    );
    let mut chart = Chart::new(WIDTH, height, &format!("Time to heal per {unit}"), &about);
    for tick in TICKS
        .map(Duration::from_millis)
        .into_iter()
        .filter(|tick| (low..=high).contains(&log(*tick)))
    {
        chart.line("grid", (left, y(log(tick))), (WIDTH - right, y(log(tick))));
        chart.text("tick", Anchor::End, left - 6.0, y(log(tick)) + 4.0, &span(tick));
    }
    #[allow(clippy::cast_precision_loss, reason = "there are only a few hundred parts")]
    let step = (WIDTH - left - right) / figures.now.trend.len().max(1) as f64;
    let mut x = left + step / 2.0;
    let mut last_tick = f64::NEG_INFINITY;
    for (part, counts) in figures.parts.parts.iter().zip(&figures.now.trend) {
        if !part.tick.is_empty() && x - last_tick >= 34.0 {
            chart.text("tick", Anchor::Middle, x, height - 12.0, &part.tick);
            last_tick = x;
        }
        if let (Some(low), Some(median), Some(high)) =
            (counts.percentile(0.1), counts.percentile(0.5), counts.percentile(0.9))
        {
            let title =
                format!("{}: median {}, {} to {}", part.name, span(median), span(low), span(high));
            chart.line("range", (x, y(log(low))), (x, y(log(high))));
            chart.dot("median", x, y(log(median)), 3.5, &title);
        }
        x += step;
    }
    chart.line("axis", (left, height - bottom), (WIDTH - right, height - bottom));
    chart.figure(&format!(
        "For each {unit}: a dot at the median, and a line from the 10th to the 90th percentile, on \
         a logarithmic scale"
    ))
}
