//! Runs over 2,000 command lines with our check_http and with monitoring-plugins' check_http 2.3.3
//! (the original). The requests, the exit code and the output of both programs must be the same
//! unless `tests/quirks.md` names the difference. The tests fail if the original (Debian package
//! monitoring-plugins-basic) is not installed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

#[path = "shared/behaviour.rs"]
mod behaviour;
mod cases;
#[path = "../../../plugins/check_http/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use behaviour::Behaviour;
use cases::Case;
use compat::{ORIGINAL, ours};
use support::Server;

const QUIRKS: &str = include_str!("../../quirks.md");

fn behaviour_of(program: &Path, case: &Case) -> Behaviour {
    let server = Server::answering(&case.answers);
    let alone = case.args.first().is_some_and(|word| word == "alone");
    let mut args: Vec<String> =
        if alone { vec![] } else { ["-I", "127.0.0.1", "-p", "PORT"].map(String::from).to_vec() };
    args.extend(case.args.iter().skip(usize::from(alone)).cloned());
    let run = server.run(program, &args);
    Behaviour::new(&run, &server.requests())
}

/// Runs a case with both programs and describes how they differ. Returns `None` if they differ only
/// as expected. If an expected difference does not occur, describes that too.
fn difference(case: &Case, ours: &Path) -> Option<String> {
    let (theirs, ours) = (behaviour_of(Path::new(ORIGINAL), case), behaviour_of(ours, case));
    let answer: String = String::from_utf8_lossy(&case.answers[0]).chars().take(120).collect();
    let what = format!("{:?} on {answer:?}", case.args);
    match (theirs == ours, case.quirk) {
        _ if !ours.code.is_some_and(|code| (0..=3).contains(&code)) => {
            Some(format!("{what}: {ours:?}"))
        }
        (false, None) => Some(format!("{what}:\n  original {theirs:?}\n  ours     {ours:?}")),
        (true, Some(quirk)) => Some(format!("{what}: no difference, despite quirk '{quirk}'")),
        _ => None,
    }
}

#[test]
fn behaves_like_monitoring_plugins() {
    assert!(
        Path::new(ORIGINAL).is_file(),
        "{ORIGINAL} is missing: install monitoring-plugins-basic"
    );
    let ours = ours();
    let cases = cases::all();
    assert!(cases.len() > 2000, "{}", cases.len());
    let next = AtomicUsize::new(0);
    let red = Mutex::new(Vec::new());
    // Use more threads than there are processors, because a case spends most of its time waiting.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    red.lock().unwrap().extend(difference(case, &ours));
                }
            });
        }
    });
    let red = red.into_inner().unwrap();
    assert!(red.is_empty(), "{} of {} differ:\n{}", red.len(), cases.len(), red.join("\n"));
}

#[test]
fn quirks_are_listed_and_tested() {
    let listed: BTreeSet<&str> =
        QUIRKS.lines().filter_map(|line| line.strip_prefix("### ")).map(str::trim).collect();
    let used: BTreeSet<&str> = cases::all().iter().filter_map(|case| case.quirk).collect();
    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "not in quirks.md: {missing:?}");
    // A quirk for which there is no case must name a test instead.
    for name in listed.difference(&used) {
        let section = QUIRKS.split("### ").find(|section| section.starts_with(name)).unwrap();
        assert!(section.contains("Test: `"), "{name} names no test");
        for test in section.split("Test: `").skip(1).filter_map(|rest| rest.split('`').next()) {
            let (file, function) =
                test.split_once("::").unwrap_or_else(|| panic!("{test}: write file::function"));
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(file);
            let source = std::fs::read_to_string(&path)
                .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            assert!(source.contains(&format!("fn {function}(")), "{test} does not exist");
        }
    }
}
