//! Asks questions on the terminal.

use std::io::{self, BufRead, IsTerminal};

use plugin_kit::{Out, Problem};

/// Flushes the output, prints the question, and reads one line. The answer is empty if the input
/// ends, for example after Ctrl-D.
///
/// # Errors
/// Returns an error if standard input is not a terminal. The error message ends with `instead`,
/// which tells the user how to continue without a question.
pub fn ask(question: &str, instead: &str, out: &mut Out) -> Result<String, Problem> {
    if !io::stdin().is_terminal() {
        out.flush();
        return Err(Problem::Usage(format!("standard input is not a terminal: {instead}")));
    }
    out.bytes(question.as_bytes());
    out.bytes(b" ");
    out.flush();
    let mut line = String::new();
    Ok(match io::stdin().lock().read_line(&mut line) {
        Ok(_) => line.trim().to_owned(),
        Err(_) => String::new(),
    })
}

/// Asks a yes/no question with [`ask`]. Returns whether the user answered `yes`.
pub fn agrees(question: &str, instead: &str, out: &mut Out) -> Result<bool, Problem> {
    Ok(ask(&format!("{question} (yes/no)"), instead, out)?.eq_ignore_ascii_case("yes"))
}
