//! Progress output for `--foreground`. If stderr is a terminal, each step is displayed as a row
//! when it happens.

use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

use plugin_kit::{clean, wrapped};
use rustix::termios::tcgetwinsize;

/// Assumed width in columns if the terminal does not report one.
const USUAL_COLUMNS: usize = 80;
/// Number of columns to the left of the text, for the elapsed time and the kind of step.
const MARGIN: usize = 26;
/// Maximum number of characters of a step's text to display. The ledger stores the whole text.
const LONGEST: usize = 1000;

/// Displays progress on the terminal. Displays nothing in the background or without a terminal.
#[derive(Debug, Clone, Copy)]
pub struct ProgressView {
    begun: Instant,
    watched: bool,
}

impl ProgressView {
    /// Creates the view for a repair that began at `begun`.
    pub fn new(begun: Instant, foreground: bool) -> ProgressView {
        ProgressView { begun, watched: foreground && stderr().is_terminal() }
    }

    /// Displays a step, with the time since the start of the repair.
    pub fn show(&self, what: &str, text: &str) {
        if self.watched {
            let columns = tcgetwinsize(stderr()).map_or(0, |size| usize::from(size.ws_col));
            let columns = if columns > 0 { columns } else { USUAL_COLUMNS };
            let _ = stderr().write_all(
                rows(self.begun.elapsed().as_secs_f64(), what, text, columns).as_bytes(),
            );
        }
    }
}

/// Formats one step as rows of at most `columns` columns. The text may come from a host, so it
/// never extends into the margin, where it could look like a step of its own.
fn rows(seconds: f64, what: &str, text: &str, columns: usize) -> String {
    let kept: String = clean(text).chars().take(LONGEST).collect();
    format!("{seconds:8.2} s  {what:<12}  {}\n", wrapped(&kept, columns, MARGIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formats_short_text_as_one_row() {
        assert_eq!(rows(1.5, "ran", "exit 0", 80), "    1.50 s  ran           exit 0\n");
    }

    #[test]
    fn padded_text_cannot_forge_a_row() {
        let forged = format!("x{}    9.00 s  verified   OK: all is well", " ".repeat(56));
        let shown = rows(1.0, "output", &forged, 80);
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().skip(1).all(|row| row.starts_with(&" ".repeat(MARGIN))), "{shown}");
    }

    proptest! {
        #[test]
        fn keeps_every_text_right_of_the_margin(text in "\\PC*|.{0,300}", columns in 0..300usize) {
            let shown = rows(1.0, "output", &text, columns);
            prop_assert!(!shown.replace('\n', "").contains(char::is_control));
            for (n, row) in shown.lines().enumerate() {
                prop_assert!(n == 0 || row.starts_with(&" ".repeat(MARGIN)));
                prop_assert!(row.chars().count() <= columns.max(MARGIN + 21));
            }
        }
    }
}
