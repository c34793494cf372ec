//! The chart of repairs over time. A panel at the top shows all hosts together. Below it, each host
//! with many repairs has a row on the same time axis.

use super::super::figures::{Figures, HostFigures};
use super::super::format::{count, number};
use super::super::period::Part;
use super::html::{escape, shorten};
use super::svg::{Anchor, Chart, ticks};

/// Maximum number of hosts in the chart. The table below the chart can list more hosts.
const SHOWN: usize = 30;

const WIDTH: f64 = 940.0;
const LEFT: f64 = 180.0;
const RIGHT: f64 = 130.0;
/// Upper edge of the panel that shows all hosts together.
const TOP: f64 = 18.0;
const PANEL: f64 = 150.0;
const AXIS: f64 = 34.0;
const ROW: f64 = 28.0;

/// A common scale for bars above and below a baseline. `up` and `down` are the highest counts on
/// each side, and `unit` is the number of pixels for one repair.
struct Scale {
    up: u32,
    down: u32,
    unit: f64,
}

impl Scale {
    /// Creates a scale on which every bar fits into `height`.
    fn whole(height: f64, counts: &[(u32, u32)]) -> Scale {
        let most = |side: fn(&(u32, u32)) -> u32| counts.iter().map(side).max().unwrap_or(0);
        Scale::new(height, most(|count| count.0), most(|count| count.1))
    }

    /// Creates a scale that ignores a few very long bars, which would make all others tiny. Bars
    /// that do not fit are cut off and labelled with their count.
    fn usual(height: f64, counts: &[(u32, u32)]) -> Scale {
        let usual = |side: fn(&(u32, u32)) -> u32| {
            let mut some: Vec<u32> = counts.iter().map(side).filter(|n| *n > 0).collect();
            some.sort_unstable();
            let most = some.last().copied().unwrap_or(0);
            let usual = some.get(some.len() * 9 / 10).copied().unwrap_or(most);
            if most > 2 * usual { usual.max(3) } else { most }
        };
        Scale::new(height, usual(|count| count.0), usual(|count| count.1))
    }

    fn new(height: f64, up: u32, down: u32) -> Scale {
        Scale { up, down, unit: height / f64::from((up + down).max(1)) }
    }

    fn baseline(&self) -> f64 {
        f64::from(self.up) * self.unit
    }

    /// Returns the length of a bar in pixels. Even the shortest bar is visible.
    fn length(&self, n: u32, longest: u32) -> f64 {
        if n == 0 { 0.0 } else { (f64::from(n.min(longest)) * self.unit).max(1.5) }
    }
}

/// Draws the chart with its legend.
pub fn chart(figures: &Figures) -> String {
    let shown: Vec<&HostFigures> = figures.now.hosts.iter().take(SHOWN).collect();
    #[allow(clippy::cast_precision_loss, reason = "a few rows")]
    let height = TOP + PANEL + AXIS + shown.len() as f64 * ROW + 12.0;
    let name = format!("Repairs per {unit} and host", unit = figures.parts.unit);
    let about = "Bars above a line show healed faults, and bars below it show escalated repairs. \
                 The tables below the chart contain all numbers.";
    let mut chart = Chart::new(WIDTH, height, &name, about);
    all_hosts(&mut chart, figures);
    time_axis(&mut chart, &figures.parts.parts, height - 8.0);
    let counts: Vec<(u32, u32)> =
        shown.iter().flat_map(|host| host.parts.iter().copied()).collect();
    let scale = Scale::usual(ROW - 5.0, &counts);
    let mut y = TOP + PANEL + AXIS;
    for host in &shown {
        row(&mut chart, host, &figures.parts.parts, &scale, y);
        y += ROW;
    }
    chart.figure(&caption(figures, shown.len(), &scale))
}

fn caption(figures: &Figures, shown: usize, scale: &Scale) -> String {
    let unit = figures.parts.unit;
    let repairs: u32 = figures.now.hosts.iter().take(shown).map(|host| host.sum.repairs()).sum();
    let rest = match figures.now.all_hosts.saturating_sub(shown) {
        0 => String::new(),
        rest => {
            let others = figures.now.sum.repairs().saturating_sub(repairs);
            let (hosts, repairs) = (count(rest, "host"), count(others, "repair"));
            format!(" The other {hosts} had {repairs} (see the table).")
        }
    };
    let key = |class: &str| {
        format!(
            "<span class=\"key\"><svg width=\"12\" height=\"12\" aria-hidden=\"true\">\
             <rect class=\"{class}\" width=\"12\" height=\"12\"/></svg>"
        )
    };
    format!(
        "Repairs per {unit}. {healed_key} healed, above the line</span> {escalated_key} escalated, \
         below it</span><br>The rows of all hosts use the same scale, which ends at {healed} and \
         {escalated}. A longer bar is cut off and shows its number.{rest}",
        healed_key = key("healed"),
        escalated_key = key("escalated"),
        healed = count(scale.up, "healed fault"),
        escalated = count(scale.down, "escalated repair"),
    )
}

/// Divides the time axis into `of` equal parts, and returns the left edge and the width of part `n`
/// in pixels.
#[allow(clippy::cast_precision_loss, reason = "there are only a few hundred parts")]
fn place(n: usize, of: usize) -> (f64, f64) {
    let step = (WIDTH - LEFT - RIGHT) / of.max(1) as f64;
    (LEFT + n as f64 * step, step)
}

fn all_hosts(chart: &mut Chart, figures: &Figures) {
    let counts: Vec<(u32, u32)> =
        figures.now.trend.iter().map(|counts| (counts.healed, counts.escalated())).collect();
    let most = counts.iter().map(|(healed, _)| *healed).max().unwrap_or(0);
    let least = counts.iter().map(|(_, escalated)| *escalated).max().unwrap_or(0);
    let scale = Scale::whole(PANEL, &counts);
    let baseline = TOP + scale.baseline();
    let right = WIDTH - RIGHT;
    let above =
        ticks(most).into_iter().filter(|tick| *tick <= most.max(1)).map(|tick| (tick, -1.0));
    let step = ticks(most).get(1).copied().unwrap_or(1);
    let below = ticks(most.max(least))
        .into_iter()
        .filter(|tick| *tick > 0 && *tick <= least && *tick >= step)
        .map(|tick| (tick, 1.0));
    for (tick, way) in above.chain(below) {
        let y = baseline + way * f64::from(tick) * scale.unit;
        chart.line(if tick == 0 { "axis" } else { "grid" }, (LEFT, y), (right, y));
        chart.text("tick", Anchor::End, LEFT - 6.0, y + 4.0, &number(tick));
    }
    chart.text("name", Anchor::Start, 0.0, TOP + 4.0, "All hosts");
    totals(chart, figures.now.sum.healed, figures.now.sum.escalated(), baseline + 4.0);
    bars(chart, &counts, &figures.parts.parts, &scale, baseline, "all hosts");
}

fn bars(
    chart: &mut Chart,
    counts: &[(u32, u32)],
    parts: &[Part],
    scale: &Scale,
    baseline: f64,
    whose: &str,
) {
    for (n, ((healed, escalated), part)) in counts.iter().zip(parts).enumerate() {
        let (x, step) = place(n, counts.len());
        let (x, width) = (x + step * 0.12, (step * 0.76).max(1.0));
        let title =
            format!("{whose}, {time}: {healed} healed, {escalated} escalated", time = part.name);
        let sides =
            [("healed", *healed, scale.up, true), ("escalated", *escalated, scale.down, false)];
        for (class, count, longest, is_up) in sides.into_iter().filter(|(_, n, ..)| *n > 0) {
            let length = scale.length(count, longest);
            let (top, label) = match is_up {
                true => (baseline - length, baseline - length + 9.0),
                false => (baseline + 1.0, baseline + length - 1.0),
            };
            chart.bar(class, x, top, width, length, &title);
            if count > longest {
                chart.text("cut", Anchor::Middle, x + width / 2.0, label, &number(count));
            }
        }
    }
}

/// Draws the time axis between the panel and the rows, with vertical lines down to the last row.
fn time_axis(chart: &mut Chart, parts: &[Part], bottom: f64) {
    let y = TOP + PANEL;
    for (n, part) in parts.iter().enumerate().filter(|(_, part)| !part.tick.is_empty()) {
        let (x, step) = place(n, parts.len());
        chart.text("tick", Anchor::Middle, x + step / 2.0, y + 20.0, &part.tick);
        chart.line("mark", (x + step / 2.0, y + 25.0), (x + step / 2.0, bottom));
    }
    chart.text("tick", Anchor::Start, WIDTH - RIGHT + 12.0, y + 20.0, "healed / escalated");
}

fn row(chart: &mut Chart, host: &HostFigures, parts: &[Part], scale: &Scale, y: f64) {
    let baseline = y + 2.0 + scale.baseline();
    let whose = escape(&host.host);
    chart.line("axis", (LEFT, baseline), (WIDTH - RIGHT, baseline));
    let name = format!("{}<title>{whose}</title>", shorten(&host.host, 26));
    chart.text("name", Anchor::Start, 0.0, y + ROW * 0.62, &name);
    bars(chart, &host.parts, parts, scale, baseline, &whose);
    totals(chart, host.sum.healed, host.sum.escalated(), y + ROW * 0.62);
}

fn totals(chart: &mut Chart, healed: u32, escalated: u32, y: f64) {
    let x = WIDTH - RIGHT + 58.0;
    chart.text("number", Anchor::End, x - 8.0, y, &number(healed));
    chart.text("tick", Anchor::Middle, x, y, "/");
    chart.text("number", Anchor::Start, x + 8.0, y, &number(escalated));
}
