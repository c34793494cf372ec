//! Sends the output of a running repair to the server, which displays it. Each line is sent as
//! `SHP1 text` before the answer. A server ignores lines that it does not recognize. A separate
//! thread writes at most `MOST` lines, so that a slow reader can neither delay nor stop a repair.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use crate::threads;

/// Maximum number of lines. Together the lines are at most 60 KiB long, so even with the answer
/// they stay far below the 256 KiB that a server reads.
const MOST: usize = 200;
/// Time limit for writing the last lines after the repair has ended. A slow reader delays the
/// answer by no more than this time.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Queues lines for the writer thread. Dropping this value ends the stream.
pub(crate) struct LineStream {
    lines: Sender<String>,
    left: usize,
}

/// Receives a message when the writer thread has written every line.
pub(crate) struct StreamEnd(Receiver<()>);

/// Starts the writer thread. Returns `None` if no thread can be created.
pub(crate) fn begin() -> Option<(LineStream, StreamEnd)> {
    let (lines, received) = mpsc::channel::<String>();
    let (written, end) = mpsc::channel();
    threads::spawn(move || {
        for line in received {
            // Ignore errors, because the client may have disconnected.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }
        let _ = written.send(());
    })
    .ok()?;
    Some((LineStream { lines, left: MOST }, StreamEnd(end)))
}

impl LineStream {
    /// Queues a line, which must not contain control characters. Puts a newline before the first
    /// line, in case an rc file has printed an incomplete line.
    pub(crate) fn line(&mut self, text: &str) {
        if self.left > 0 {
            let line_break = if self.left == MOST { "\n" } else { "" };
            self.left -= 1;
            let _ = self.lines.send(format!("{line_break}SHP1 {text}\n"));
        }
    }
}

impl StreamEnd {
    /// Waits until all lines have been written, but no longer than [`LAST_LINES`].
    pub(crate) fn wait(self) {
        let _ = self.0.recv_timeout(LAST_LINES);
    }
}
