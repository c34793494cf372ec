//! Measures how handlers and workers cope with hundreds and thousands of calls at once.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use e2e::{Highest, LargeSite, Watcher, run_at_once, until};

use crate::say;

/// The storms to measure. Each entry consists of a description, the number of calls, and the name
/// of the policy's file.
const STORMS: [(&str, usize, &str); 3] = [
    ("500 calls at once", 500, "no_status.json"),
    ("5,000 calls at once", 5_000, "no_status.json"),
    ("500 calls with status file", 500, "policy.json"),
];

/// What one storm cost.
pub struct StormRow {
    name: &'static str,
    scale: f64,
    /// Time from the first call until all calls were on record.
    wall: Duration,
    /// Median run time of the handlers. On a busy machine, handlers mostly wait for a CPU.
    handler: Duration,
    highest: Highest,
    /// Numbers of repairs and refusals.
    recorded: [usize; 2],
}

/// Measures all storms on a site. Each call must lead to exactly one repair or refusal.
pub fn measure(site: &LargeSite, scale: f64) -> Vec<StormRow> {
    STORMS.into_iter().map(|storm| measure_one(site, scale, storm)).collect()
}

fn measure_one(
    site: &LargeSite,
    scale: f64,
    (name, calls, policy): (&'static str, usize, &str),
) -> StormRow {
    let (since, begun) = (SystemTime::now(), Instant::now());
    // The first `site.call` copies the handler into the lab. Do this before several threads call
    // `site.call`.
    drop(site.call(policy, 0));
    let call = |number| {
        let mut command = site.call(policy, number);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let ((mut times, recorded, wall), highest) = Watcher::watch(site.path(), 0, || {
        let ended = run_at_once(0..calls, call);
        assert!(ended.iter().all(|(output, _)| output.status.success()), "a handler failed");
        let recorded = until("all calls on record", Duration::from_secs(600), || {
            let recorded = site.recorded_since(since);
            (recorded.iter().sum::<usize>() >= calls).then_some(recorded)
        });
        let times: Vec<Duration> = ended.into_iter().map(|(_, time)| time).collect();
        (times, recorded, begun.elapsed())
    });
    assert_eq!(recorded.iter().sum::<usize>(), calls, "{name}: calls were answered twice");
    times.sort_unstable();
    let handler = times.get(times.len() / 2).copied().unwrap_or_default();
    StormRow { name, scale, wall, handler, highest, recorded }
}

/// Prints what the storms cost at all sizes.
pub fn print_table(rows: &[StormRow]) {
    say("");
    say(&format!(
        "{:<28}{:>7}{:>9}{:>12}{:>11}{:>8}{:>10}{:>10}",
        "storm at scale", "", "wall s", "handler ms", "processes", "MB", "repairs", "refusals"
    ));
    for StormRow { name, scale, wall, handler, highest, recorded: [repairs, refusals] } in rows {
        let (wall, handler) = (wall.as_secs_f64(), handler.as_secs_f64() * 1000.0);
        let (processes, memory) = (highest.processes, highest.memory as f64 / 1024.0);
        say(&format!(
            "{name:<28}{scale:>7}{wall:>9.1}{handler:>12.1}{processes:>11}{memory:>8.1}\
             {repairs:>10}{refusals:>10}"
        ));
    }
}
