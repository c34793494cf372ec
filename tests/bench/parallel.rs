//! Measures how many times per second a program can run while several processes run in parallel, as
//! under Nagios.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How many processes run at the same time.
pub const AT_A_TIME: usize = 8;
/// How long one program is run repeatedly before the other program's turn begins. The turns are
/// short, so that a slowdown of the machine affects both programs.
const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 5;

/// Returns how many times per second `ours` ran, divided by the same number for `theirs`. Both
/// rates are medians over all turns.
pub fn ratio(ours: &[String], theirs: &[String]) -> f64 {
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        our_rates.push(per_second(ours));
        their_rates.push(per_second(theirs));
    }
    median(our_rates) / median(their_rates)
}

fn per_second(argv: &[String]) -> f64 {
    let (program, arguments) = argv.split_first().expect("a program to measure");
    let runs = AtomicU32::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while begun.elapsed() < TURN {
                    let mut command = Command::new(program);
                    command
                        .args(arguments)
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null());
                    command.status().expect("the measured program starts");
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    f64::from(runs.into_inner()) / begun.elapsed().as_secs_f64()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
