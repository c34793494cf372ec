//! The command lines and the answers they meet. A case that is meant to differ names its quirk, as
//! in `tests/quirks.md`.

mod answers;
mod asking;
mod checks;
mod patterns;
mod redirects;

/// One command line (behind `-I 127.0.0.1 -p PORT`, unless it begins with `alone`) and the answers
/// it meets.
pub struct Case {
    /// The words.
    pub args: Vec<String>,
    /// What each connection is answered.
    pub answers: Vec<Vec<u8>>,
    /// The name of the difference it is there to show.
    pub quirk: Option<&'static str>,
}

/// A small page.
const PAGE: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";
/// A page of several lines.
const LINES: &str = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhi\nHI\na b\n\ncHi_x";

fn case(args: &[&str], answers: &[&[u8]]) -> Case {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Case { args, answers: answers.iter().map(|answer| answer.to_vec()).collect(), quirk: None }
}

/// Words are separated by blanks; `_` stands for a blank inside one, `''` for an empty word.
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
        asking::requests(),
        asking::places(),
        asking::usage(),
        answers::status_lines(),
        answers::heads_and_bodies(),
        answers::chunks(),
        checks::page_checks(),
        checks::ages(),
        checks::limits(),
        patterns::patterns(),
        redirects::redirects(),
    ];
    parts.into_iter().flatten().collect()
}
