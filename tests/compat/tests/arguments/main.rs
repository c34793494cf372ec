//! Runs check_http with every argument that Icinga's template library and Debian's command
//! definitions can pass, alone and in pairs. No argument may be refused. With the arguments for
//! monitoring-plugins' check_http 2.3.3 (the original), the result, the message and the requests
//! must be the same as the original's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod lists;
#[path = "../shared/server.rs"]
mod server;
#[path = "../../../../plugins/check_http/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use compat::{ORIGINAL, ours};
use lists::{CURL, DEBIAN, HTTP, LAST_WORDS};
use server::Lab;

/// Arguments that the original interprets differently or does not know; see `tests/quirks.md`.
const NOT_IN_THE_ORIGINAL: [&str; 3] = ["-S2", "-S3", "--verify-host"];

/// Runs `test` for all items in several threads. Returns all problems.
fn in_parallel<T: Sync>(
    items: &[T],
    test: impl Fn(&Lab, &T) -> Option<String> + Sync,
) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let problems = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let lab = Lab::new();
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    problems.lock().unwrap().extend(test(&lab, item));
                }
            });
        }
    });
    problems.into_inner().unwrap()
}

/// Returns every argument alone and every pair of arguments, as command lines.
fn lines(arguments: &[&str]) -> Vec<String> {
    let with = |rest: &str| format!("-I 127.0.0.1 -p PORT {rest}");
    let mut lines: Vec<String> = arguments.iter().map(|one| with(one)).collect();
    for (at, first) in arguments.iter().enumerate() {
        for second in &arguments[at + 1..] {
            lines.push(with(&format!("{first} {second}")));
        }
    }
    lines
}

fn debian_lines() -> Vec<String> {
    let with_last = |line: &&str| {
        let line = (*line).to_owned();
        LAST_WORDS.iter().map(move |word| line.replace("ARG", word))
    };
    let mut lines: Vec<String> = DEBIAN.iter().flat_map(with_last).collect();
    lines.dedup();
    lines
}

fn has(line: &str, words: &[&str]) -> bool {
    line.split(' ').any(|word| words.contains(&word))
}

#[test]
fn no_argument_is_refused() {
    let ours = ours();
    let mut lines = [lines(HTTP), lines(CURL), debian_lines()].concat();
    // Leave out `-S2` and `-S3`. No program can accept SSL 2 and 3, so check_http must refuse them.
    // Both programs refuse a client certificate without its key.
    let lacks_key = |line: &str| has(line, &["-J"]) && !has(line, &["-K"]);
    lines.retain(|line| !has(line, &["-S2", "-S3"]) && !lacks_key(line));
    assert!(lines.len() > 2000, "{}", lines.len());
    let problems = in_parallel(&lines, |lab, line| {
        let (run, _) = lab.run(&ours, line);
        let refused = run.text.starts_with("check_http: ") || !run.stderr.is_empty();
        let is_state = run.code.is_some_and(|code| (0..4).contains(&code));
        (refused || !is_state).then(|| format!("{line}: {run:?}"))
    });
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn arguments_have_the_same_effect_as_in_the_original() {
    let ours = ours();
    let mut lines = [lines(HTTP), debian_lines()].concat();
    // The original uses an empty last word as the host name if -H is missing.
    let unnamed = |line: &str| line.ends_with("''") && !has(line, &["-H"]);
    lines.retain(|line| !has(line, &NOT_IN_THE_ORIGINAL) && !unnamed(line));
    assert!(lines.len() > 1000, "{}", lines.len());
    let problems = in_parallel(&lines, |lab, line| {
        let results = [Path::new(ORIGINAL), &ours].map(|program| {
            let (run, requests) = lab.run(program, line);
            // With -v, the programs print different details. The reason for a failed handshake also
            // differs, because it comes from the TLS library. The original does not close every
            // HTML link.
            let message = run.text.lines().next().unwrap_or_default().trim_end_matches("</A>");
            let message = Some(message.to_owned()).filter(|_| !has(line, &["-v", "-vE"]));
            (run.code, message, requests)
        });
        (results[0] != results[1])
            .then(|| format!("{line}:\n  original {:?}\n  ours     {:?}", results[0], results[1]))
    });
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}
