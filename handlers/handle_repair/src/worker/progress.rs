//! What a person sees who waits for a repair: a row for each thing that happens, when it happens.
//! On a terminal only.

use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

use plugin_kit::{clean, wrapped};
use rustix::termios::tcgetwinsize;

/// Where no width is known.
const USUAL_COLUMNS: usize = 80;
/// The columns in front of the text: elapsed time and word.
const MARGIN: usize = 26;
/// The ledger has all of a text; on the screen a few rows are enough.
const LONGEST: usize = 1000;

/// The terminal of a person, if one watches.
#[derive(Debug, Clone, Copy)]
pub struct ProgressView {
    begun: Instant,
    watched: bool,
}

impl ProgressView {
    /// For a repair that began at `begun`, with somebody who waits for it or not.
    pub fn new(begun: Instant, foreground: bool) -> ProgressView {
        ProgressView { begun, watched: foreground && stderr().is_terminal() }
    }

    /// Shows what happened and how long after the beginning.
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

/// Returns the rows of one text. No host can write at the beginning of a row.
fn rows(seconds: f64, what: &str, text: &str, columns: usize) -> String {
    let kept: String = clean(text).chars().take(LONGEST).collect();
    format!("{seconds:8.2} s  {what:<12}  {}\n", wrapped(&kept, columns, MARGIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_one_row() {
        assert_eq!(rows(1.5, "ran", "exit 0", 80), "    1.50 s  ran           exit 0\n");
    }

    #[test]
    fn padding_does_not_bring_a_text_to_the_beginning_of_a_row() {
        let forged = format!("x{}    9.00 s  verified   OK: all is well", " ".repeat(56));
        let shown = rows(1.0, "output", &forged, 80);
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().skip(1).all(|row| row.starts_with(&" ".repeat(MARGIN))), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_columns(text in "\\PC*|.{0,300}", columns in 0..300usize) {
            let shown = rows(1.0, "output", &text, columns);
            prop_assert!(!shown.replace('\n', "").contains(char::is_control));
            for (n, row) in shown.lines().enumerate() {
                prop_assert!(n == 0 || row.starts_with(&" ".repeat(MARGIN)));
                prop_assert!(row.chars().count() <= columns.max(MARGIN + 21));
            }
        }
    }
}
