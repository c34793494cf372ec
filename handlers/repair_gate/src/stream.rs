//! What a repair prints, as it comes, for a person who watches: lines `SHP1 text` in front of the
//! answer. They are no part of it, a server passes over what it does not know, and nothing here can
//! hold up or end a repair: a thread of its own tells whoever reads, and there are only so many
//! lines.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use crate::threads;

/// With the longest lines these are 60 KiB: with the answer far below the 256 KiB that a server
/// reads.
const MOST: usize = 200;
/// How long the last lines may take on their way, once the repair has ended: a reader that does not
/// read gets the answer late, not the repair.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Takes lines; dropping it is the end of them.
pub(crate) struct LineStream {
    lines: Sender<String>,
    left: usize,
}

/// The end that tells.
pub(crate) struct StreamEnd(Receiver<()>);

/// Begins to tell; without a thread for it nobody is told, and nothing else changes.
pub(crate) fn begin() -> Option<(LineStream, StreamEnd)> {
    let (lines, coming) = mpsc::channel::<String>();
    let (told, end) = mpsc::channel();
    let tell = move || {
        for line in coming {
            // Whoever asked may have gone.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }
        let _ = told.send(());
    };
    threads::spawn(tell).ok()?;
    Some((LineStream { lines, left: MOST }, StreamEnd(end)))
}

impl LineStream {
    /// One more line, cleaned.
    pub(crate) fn line(&mut self, text: &str) {
        if self.left > 0 {
            self.left -= 1;
            let _ = self.lines.send(format!("SHP1 {text}\n"));
        }
    }
}

impl StreamEnd {
    /// Waits a little until all lines are told.
    pub(crate) fn end(self) {
        let _ = self.0.recv_timeout(LAST_LINES);
    }
}
