//! Command lines and the server's responses. A case that is meant to differ names its quirk in
//! `tests/quirks.md`.

mod checks;
mod command_lines;
mod patterns;
mod redirects;
mod responses;

/// One command line (after `-I 127.0.0.1 -p PORT`, unless it starts with `alone`) and the
/// responses.
pub struct Case {
    /// Words of the command line.
    pub args: Vec<String>,
    /// Response on each connection.
    pub answers: Vec<Vec<u8>>,
    /// Name of the difference it shows, if it is meant to differ.
    pub quirk: Option<&'static str>,
}

/// A small response.
const PAGE: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";
/// A body of several lines.
const LINES: &str = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhi\nHI\na b\n\ncHi_x";

fn case(args: &[&str], answers: &[&[u8]]) -> Case {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Case { args, answers: answers.iter().map(|answer| answer.to_vec()).collect(), quirk: None }
}

/// Splits at blanks; `_` becomes a blank, `''` an empty word.
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

/// Every case.
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
