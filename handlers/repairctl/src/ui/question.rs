//! Asks the person at the terminal. Without a terminal there is no answer.

use std::io::{self, BufRead, IsTerminal};

use plugin_kit::Out;

/// Whether there is a terminal.
pub fn possible() -> bool {
    io::stdin().is_terminal()
}

/// Shows the output so far and the question, and reads one line. Without a line, as after Ctrl-D,
/// the answer is empty.
pub fn ask(question: &str, out: &mut Out) -> String {
    out.bytes(question.as_bytes());
    out.bytes(b" ");
    out.flush();
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) => line.trim().to_owned(),
        Err(_) => String::new(),
    }
}
