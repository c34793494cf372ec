//! A progress bar on standard error, shown only on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Minimum time between two updates of the bar.
const EVERY: Duration = Duration::from_millis(200);
/// Width of the bar in characters.
const WIDTH: u64 = 30;

pub struct ProgressBar {
    total: u64,
    begun: Instant,
    drawn: Option<Instant>,
    shown: bool,
}

impl ProgressBar {
    /// Creates a bar for `total` bytes.
    pub fn new(total: u64) -> ProgressBar {
        ProgressBar {
            total: total.max(1),
            begun: Instant::now(),
            drawn: None,
            shown: io::stderr().is_terminal(),
        }
    }

    /// Updates the bar after `read` bytes have been read.
    pub fn at(&mut self, read: u64) {
        if self.shown && self.drawn.unwrap_or(self.begun).elapsed() >= EVERY {
            self.drawn = Some(Instant::now());
            let _ = write!(io::stderr(), "\r{}", bar(read, self.total, self.begun.elapsed()));
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(read: u64, total: u64, took: Duration) -> String {
    let read = read.min(total);
    let full = usize::try_from(read * WIDTH / total).unwrap_or(0);
    let empty = usize::try_from(WIDTH).unwrap_or(0) - full;
    let left = took.as_secs_f64() * (total - read) as f64 / read.max(1) as f64;
    let size = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    format!(
        "[{done}{rest}] {read} of {total}, {left:.0} s left ",
        done = "#".repeat(full),
        rest = " ".repeat(empty),
        read = size(read),
        total = size(total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_draws_beyond_the_end_of_the_bar() {
        assert_eq!(
            bar(0, 10, Duration::ZERO),
            format!("[{}] 0 MB of 0 MB, 0 s left ", " ".repeat(30))
        );
        assert!(bar(99, 10, Duration::from_secs(1)).starts_with(&format!("[{}]", "#".repeat(30))));
        assert!(
            bar(500_000_000, 1_000_000_000, Duration::from_secs(2))
                .ends_with(" 500 MB of 1000 MB, 2 s left ")
        );
    }
}
