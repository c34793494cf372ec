//! The cases to run with both programs. Each case consists of a command line and the server's
//! responses. If the programs are meant to differ in a case, the case names the quirk from
//! `tests/quirks.md`.

mod checks;
mod command_lines;
mod patterns;
mod redirects;
mod responses;

/// A command line and the server's responses.
pub struct Case {
    /// The words that follow `-I 127.0.0.1 -p PORT` on the command line. If the first word is
    /// `alone`, the remaining words are the whole command line.
    pub args: Vec<String>,
    /// Responses, one for each connection. The server sends the last one on all further
    /// connections.
    pub answers: Vec<Vec<u8>>,
    /// Name of the quirk in `tests/quirks.md`, or `None` if both programs must behave the same.
    pub quirk: Option<&'static str>,
}

/// A small response.
const PAGE: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";
/// A response with a body of several lines.
const LINES: &str = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhi\nHI\na b\n\ncHi_x";

fn case(args: &[&str], answers: &[&[u8]]) -> Case {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Case { args, answers: answers.iter().map(|answer| answer.to_vec()).collect(), quirk: None }
}

/// Splits a command line at blanks. Within a word, `_` stands for a blank. `''` is an empty word.
fn line(words: &str) -> Vec<String> {
    words
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| if word == "''" { String::new() } else { word.replace('_', " ") })
        .collect()
}

fn with(answer: &[u8], lines: &[&str]) -> Vec<Case> {
    let one =
        |words: &&str| Case { args: line(words), answers: vec![answer.to_vec()], quirk: None };
    lines.iter().map(one).collect()
}

fn quirk(name: &'static str, mut cases: Vec<Case>) -> Vec<Case> {
    cases.iter_mut().for_each(|case| case.quirk = Some(name));
    cases
}

/// Returns all cases.
pub fn all() -> Vec<Case> {
    let parts = [
        command_lines::requests(),
        command_lines::targets(),
        command_lines::usage(),
        responses::status_lines(),
        responses::heads_and_bodies(),
        responses::chunks(),
        checks::page_checks(),
        checks::ages(),
        checks::limits(),
        patterns::patterns(),
        redirects::redirects(),
    ];
    parts.into_iter().flatten().collect()
}
