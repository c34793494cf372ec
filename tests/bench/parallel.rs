//! Measures how many times per second a program can run while several processes run in parallel, as
//! under Nagios.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::comparison::Comparison;

/// How many processes run at the same time.
pub const AT_A_TIME: usize = 8;
/// How long one program is run repeatedly before the other program's turn begins. The turns are
/// short, so that a slowdown of the machine affects both programs.
const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 5;

/// Compares how many times per second the two programs ran.
pub fn compare(ours: &[String], theirs: &[String]) -> Comparison {
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        our_rates.push(per_second(ours));
        their_rates.push(per_second(theirs));
    }
    Comparison::new(&our_rates, &their_rates)
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
