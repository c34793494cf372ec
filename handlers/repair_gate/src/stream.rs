//! The output of a repair while it runs, for a person who watches: lines `SHP1 text` before the
//! answer. They are not part of it, and a server passes over lines it does not know. A thread of
//! its own writes them, at most `MOST` of them, so that a reader can neither delay nor end a
//! repair.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use crate::threads;

/// Lines. The longest make 60 KiB, which with the answer is far below the 256 KiB that a server
/// reads.
const MOST: usize = 200;
/// Time for the last lines once the repair has ended: a reader that does not read delays the
/// answer, not the repair.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Takes lines, until it is dropped.
pub(crate) struct LineStream {
    lines: Sender<String>,
    left: usize,
}

/// The lines that are still to be written.
pub(crate) struct StreamEnd(Receiver<()>);

/// Starts the thread that writes; `None` if there is no room for one.
pub(crate) fn begin() -> Option<(LineStream, StreamEnd)> {
    let (lines, received) = mpsc::channel::<String>();
    let (written, end) = mpsc::channel();
    threads::spawn(move || {
        for line in received {
            // The client may have gone.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }
        let _ = written.send(());
    })
    .ok()?;
    Some((LineStream { lines, left: MOST }, StreamEnd(end)))
}

impl LineStream {
    /// Writes a line, which must be clean. The first one ends a line that an rc file has begun, as
    /// the answer does.
    pub(crate) fn line(&mut self, text: &str) {
        if self.left > 0 {
            let line_break = if self.left == MOST { "\n" } else { "" };
            self.left -= 1;
            let _ = self.lines.send(format!("{line_break}SHP1 {text}\n"));
        }
    }
}

impl StreamEnd {
    /// Waits a little until all lines are written.
    pub(crate) fn wait(self) {
        let _ = self.0.recv_timeout(LAST_LINES);
    }
}
