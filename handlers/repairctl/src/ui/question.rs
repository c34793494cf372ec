//! Asking the person at the terminal. Nobody else is asked: without a terminal there is no answer.

use std::io::{self, BufRead, IsTerminal};

use plugin_kit::Out;

/// Whether somebody can be asked.
pub fn possible() -> bool {
    io::stdin().is_terminal()
}

/// Shows what was written so far and the question, and reads one line. No line, as after Ctrl-D, is
/// no answer.
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
