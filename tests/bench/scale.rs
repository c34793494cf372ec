//! Measures how the cost of each program grows with the size of the site and of its history. The
//! machine need not be idle, because only CPU time counts.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::{CostRow, LargeSite, system_program};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::{say, storm};

/// The site sizes to measure. Size 1 is a site with 100,000 services.
const SIZES: [f64; 3] = [0.01, 0.1, 1.0];
/// How many times the program in each row of the table is run. The first run warms the caches and
/// does not count.
const RUNS: usize = 6;
/// Once the runs for one row have taken this long in total, no further run is started for this row.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// What running the program in one row costs at one site size.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// CPU time of the program and its children (user and system), as the median of all counted
    /// runs.
    cpu_ms: f64,
    /// Peak resident memory of the largest process.
    memory_mb: f64,
}

/// Measures all rows of the cost table at each size up to `largest`, and prints the table.
/// `generator` is the path of the program built from `tests/scale/site`.
pub fn print_table(generator: &Path, largest: f64) {
    let mut table: Vec<(&'static str, &'static str, Vec<Measured>)> = Vec::new();
    let (mut speed, mut storms) = (String::new(), Vec::new());
    let sizes: Vec<f64> = SIZES.into_iter().filter(|size| *size <= largest).collect();
    for size in &sizes {
        let site = LargeSite::generate(generator, &size.to_string());
        for (n, row) in site.rows().iter().enumerate() {
            let measured = measure(&site, row);
            if row.name == "replay" {
                speed += &format!("{:>10.0}", site.log_megabytes() / measured.cpu_ms * 1000.0);
            }
            match table.get_mut(n) {
                Some((_, _, all)) => all.push(measured),
                None => table.push((row.name, row.target, vec![measured])),
            }
        }
        storms.extend(storm::measure(&site, *size));
    }
    let sizes: String = sizes.iter().map(|size| format!("{size:>10}")).collect();
    say(&format!("{:<32}{sizes}{:>8}{:>9}  target at 1", "CPU ms at scale", "growth", "MB"));
    for (name, target, all) in &table {
        let cells: String = all.iter().map(|one| format!("{:>10.1}", one.cpu_ms)).collect();
        let (Some(first), Some(last)) = (all.first(), all.last()) else { continue };
        let (growth, memory) = (last.cpu_ms / first.cpu_ms, last.memory_mb);
        say(&format!("{name:<32}{cells}{growth:>8.1}{memory:>9.1}  {target}"));
    }
    say(&format!("{:<32}{speed}{:>17}  600", "replay, MB of log per second", ""));
    storm::print_table(&storms);
}

fn measure(site: &LargeSite, row: &CostRow) -> Measured {
    let begun = Instant::now();
    let mut runs = Vec::new();
    while runs.len() < RUNS && begun.elapsed() < LONG_ENOUGH {
        let mut command = site.command(row, &[]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let before = children_ms();
        let status = command.status().expect("the measured program starts");
        assert_eq!(status.code(), Some(row.code), "{}: {command:?}", row.name);
        runs.push(children_ms() - before);
    }
    let mut counted = runs.split_off(usize::from(runs.len() > 1));
    counted.sort_by(f64::total_cmp);
    let cpu_ms = counted.get(counted.len() / 2).copied().unwrap_or(f64::NAN);
    Measured { cpu_ms, memory_mb: memory_mb(site, row) }
}

/// Returns the CPU time of all children that have exited, in milliseconds.
fn children_ms() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let micros = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    micros as f64 / 1000.0
}

/// Returns the peak memory of a run. time(1) starts the program, because the kernel counts the
/// parent's memory as the child's until the child calls exec.
fn memory_mb(site: &LargeSite, row: &CostRow) -> f64 {
    let time = system_program(&["time"]).display().to_string();
    let mut command = site.command(row, &[&time, "-f", "%M"]);
    let output = command.stdin(Stdio::null()).output().expect("time(1) starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let kib = said.lines().next_back().and_then(|line| line.parse::<f64>().ok());
    kib.unwrap_or_else(|| panic!("time(1) said {said}")) / 1024.0
}
