//! Asks the person at the terminal. Without a terminal there is no answer.

use std::io::{self, BufRead, IsTerminal};

use plugin_kit::{Out, Problem};

/// Shows the output so far and the question, and reads one line. Without a line, as after Ctrl-D,
/// the answer is empty.
///
/// # Errors
/// There is no terminal; the error says what to do `instead`.
pub fn ask(question: &str, instead: &str, out: &mut Out) -> Result<String, Problem> {
    if !io::stdin().is_terminal() {
        out.flush();
        return Err(Problem::Usage(format!("nobody is there to ask: {instead}")));
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

/// Asks a question that only `yes` agrees to; see [`ask`].
pub fn agrees(question: &str, instead: &str, out: &mut Out) -> Result<bool, Problem> {
    Ok(ask(&format!("{question} (yes/no)"), instead, out)?.eq_ignore_ascii_case("yes"))
}
