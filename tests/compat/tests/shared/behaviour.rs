//! What a program did in one run, in a form in which two programs can be compared.

use crate::support::Run;

/// A program's exit code, its output and the requests that it sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub code: Option<i32>,
    pub text: String,
    pub requests: Vec<String>,
}

impl Behaviour {
    pub fn new(run: &Run, requests: &[String]) -> Behaviour {
        let requests = requests.iter().map(|request| unnamed(request)).collect();
        Behaviour { code: run.code, text: unnamed(&comparable(run)), requests }
    }
}

/// Replaces a program's name and version in `text` with `VERSION`, because the two programs differ
/// in them.
pub fn unnamed(text: &str) -> String {
    let ours = format!("v{0} (nagios-selfheal {0})", env!("CARGO_PKG_VERSION"));
    text.replace(&ours, "VERSION").replace("v2.3.3 (monitoring-plugins 2.3.3)", "VERSION")
}

/// Returns the part of the output to compare. If the command line is wrong, this is only the error
/// message: the first line of stderr for getopt's errors, or else the first line of the output,
/// because the original prints the usage after its own errors. Help texts and messages about
/// invalid patterns are replaced with a fixed word, because they need not be the same.
fn comparable(run: &Run) -> String {
    let complaint = run.stderr.lines().next().unwrap_or_default();
    if let Some((_, complaint)) = complaint.split_once("/check_http: ") {
        return format!("check_http: {complaint}\n");
    }
    let first = run.text.lines().next().unwrap_or_default();
    if run.code == Some(3) && run.text.contains("Could Not Compile Regular Expression") {
        return "bad pattern".into();
    }
    if run.code == Some(3) && run.text.contains("\nExamples:\n") {
        return "help".into();
    }
    if run.text.contains("\nUsage:\n") { format!("{first}\n") } else { run.text.clone() }
}
