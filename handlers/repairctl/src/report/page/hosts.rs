//! Repairs over time: all hosts together, and below, on the same time axis, the hosts with the most of them.

use super::super::figures::{Figures, HostFigures};
use super::super::period::Part;
use super::super::words::{count, number};
use super::svg::{Anchor, Chart, ticks};
use super::{escape, short};

/// So many hosts have a row of their own; a table has all.
const SHOWN: usize = 30;

const WIDTH: f64 = 940.0;
const LEFT: f64 = 180.0;
const RIGHT: f64 = 130.0;
/// The panel of all hosts.
const TOP: f64 = 18.0;
const PANEL: f64 = 150.0;
const AXIS: f64 = 34.0;
const ROW: f64 = 24.0;

/// Counts above and below a baseline, on one scale.
struct Scale {
    up: f64,
    unit: f64,
}

impl Scale {
    fn new<'a>(height: f64, counts: impl Iterator<Item = &'a (u32, u32)>) -> Scale {
        let (up, down) = counts.fold((0, 0), |(up, down), (healed, handed)| (up.max(*healed), down.max(*handed)));
        let unit = height / (f64::from(up) + f64::from(down)).max(1.0);
        Scale { up: f64::from(up), unit }
    }

    fn baseline(&self) -> f64 {
        self.up * self.unit
    }

    /// What is there is seen, however little it is.
    fn length(&self, n: u32) -> f64 {
        if n == 0 { 0.0 } else { (f64::from(n) * self.unit).max(1.5) }
    }
}

/// The chart with its legend.
pub fn chart(figures: &Figures) -> String {
    let shown: Vec<&HostFigures> = figures.hosts.iter().take(SHOWN).collect();
    #[allow(clippy::cast_precision_loss, reason = "a few rows")]
    let height = TOP + PANEL + AXIS + shown.len() as f64 * ROW + 12.0;
    let name = format!("Repairs per {} and host", figures.parts.unit);
    let about = "Bars above a line are healed faults, bars below it those handed to people. The tables below have every number.";
    let mut chart = Chart::new(WIDTH, height, name, about);
    all_hosts(&mut chart, figures);
    time_axis(&mut chart, &figures.parts.parts, height - 8.0);
    let scale = Scale::new(ROW - 5.0, shown.iter().flat_map(|host| &host.parts));
    let mut y = TOP + PANEL + AXIS;
    for host in &shown {
        row(&mut chart, host, &figures.parts.parts, &scale, y);
        y += ROW;
    }
    chart.figure(&caption(figures, &shown))
}

fn caption(figures: &Figures, shown: &[&HostFigures]) -> String {
    let tallest = shown.iter().flat_map(|host| &host.parts).map(|(healed, handed)| (*healed).max(*handed)).max().unwrap_or(0);
    let unit = figures.parts.unit;
    let rest = match figures.hosts.len().saturating_sub(shown.len()) {
        0 => String::new(),
        rest => {
            let repairs: u32 = figures.hosts.iter().skip(shown.len()).map(|host| host.sum.repairs()).sum();
            let rest = u32::try_from(rest).unwrap_or(u32::MAX);
            format!(" The other {} had {}: see the table.", count(rest, "host"), count(repairs, "repair"))
        }
    };
    format!(
        "Repairs per {unit}. <span class=\"key\"><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"healed\" width=\"12\" height=\"12\"/></svg> \
         healed, above the line</span> <span class=\"key\"><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"handed\" width=\"12\" height=\"12\"/></svg> \
         handed to people, below it</span><br>The rows of the hosts share one scale, on which the longest bar is {}.{rest}",
        count(tallest, "repair")
    )
}

/// Where a part begins, and how wide it is.
#[allow(clippy::cast_precision_loss, reason = "a few hundred parts")]
fn place(n: usize, of: usize) -> (f64, f64) {
    let step = (WIDTH - LEFT - RIGHT) / of.max(1) as f64;
    (LEFT + n as f64 * step, step)
}

fn all_hosts(chart: &mut Chart, figures: &Figures) {
    let counts: Vec<(u32, u32)> = figures.trend.iter().map(|tally| (tally.healed, tally.handed())).collect();
    let most = counts.iter().map(|(healed, _)| *healed).max().unwrap_or(0);
    let least = counts.iter().map(|(_, handed)| *handed).max().unwrap_or(0);
    let scale = Scale::new(PANEL, counts.iter());
    let baseline = TOP + scale.baseline();
    let right = WIDTH - RIGHT;
    let above = ticks(most).into_iter().filter(|tick| *tick <= most.max(1)).map(|tick| (tick, -1.0));
    let step = ticks(most).get(1).copied().unwrap_or(1);
    let below = ticks(most.max(least)).into_iter().filter(|tick| *tick > 0 && *tick <= least && *tick >= step).map(|tick| (tick, 1.0));
    for (tick, way) in above.chain(below) {
        let y = baseline + way * f64::from(tick) * scale.unit;
        chart.line(if tick == 0 { "axis" } else { "grid" }, (LEFT, y), (right, y));
        chart.text("tick", Anchor::End, LEFT - 6.0, y + 4.0, &number(tick));
    }
    chart.text("name", Anchor::Start, 0.0, TOP + 4.0, "All hosts");
    totals(chart, figures.now.healed, figures.now.handed(), baseline + 4.0);
    bars(chart, &counts, &figures.parts.parts, &scale, baseline, "all hosts");
}

fn bars(chart: &mut Chart, counts: &[(u32, u32)], parts: &[Part], scale: &Scale, baseline: f64, whose: &str) {
    for (n, ((healed, handed), part)) in counts.iter().zip(parts).enumerate() {
        let (x, step) = place(n, counts.len());
        let (x, width) = (x + step * 0.12, (step * 0.76).max(1.0));
        let title = || format!("{whose}, {}: {healed} healed, {handed} handed to people", part.name);
        if *healed > 0 {
            let length = scale.length(*healed);
            chart.bar("healed", x, baseline - length, width, length, &title());
        }
        if *handed > 0 {
            chart.bar("handed", x, baseline + 1.0, width, scale.length(*handed), &title());
        }
    }
}

/// Between the panel and the rows, with marks down to the last row.
fn time_axis(chart: &mut Chart, parts: &[Part], bottom: f64) {
    let y = TOP + PANEL;
    for (n, part) in parts.iter().enumerate().filter(|(_, part)| !part.tick.is_empty()) {
        let (x, step) = place(n, parts.len());
        chart.text("tick", Anchor::Middle, x + step / 2.0, y + 20.0, &part.tick);
        chart.line("mark", (x + step / 2.0, y + 25.0), (x + step / 2.0, bottom));
    }
    chart.text("tick", Anchor::Start, WIDTH - RIGHT + 12.0, y + 20.0, "healed / handed");
}

fn row(chart: &mut Chart, host: &HostFigures, parts: &[Part], scale: &Scale, y: f64) {
    let baseline = y + 2.0 + scale.baseline();
    let whose = escape(&host.host);
    chart.line("axis", (LEFT, baseline), (WIDTH - RIGHT, baseline));
    chart.text("name", Anchor::Start, 0.0, y + ROW * 0.62, &format!("{}<title>{whose}</title>", short(&host.host, 26)));
    bars(chart, &host.parts, parts, scale, baseline, &whose);
    totals(chart, host.sum.healed, host.sum.handed(), y + ROW * 0.62);
}

fn totals(chart: &mut Chart, healed: u32, handed: u32, y: f64) {
    let x = WIDTH - RIGHT + 58.0;
    chart.text("number", Anchor::End, x - 8.0, y, &number(healed));
    chart.text("tick", Anchor::Middle, x, y, "/");
    chart.text("number", Anchor::Start, x + 8.0, y, &number(handed));
}
