//! Tests the live output of a repair through a real sshd, with both backends. The output is shown
//! while the repair runs. It is limited, safe to print and never mistaken for an answer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Plan, Sshd, repair};
use policy_file::{Backend, HostRoute};
use transport::{Answer, Error};

const DONE: &str = concat!(
    r#"{"answer":"repair","host":"t","job":"20261123-4f3a9c2b","repair":"httpd","#,
    r#""state":"done","exit":0,"signal":null,"seconds":0.1,"started":1,"output":["ok"]}"#
);

const BACKENDS: [Backend; 2] = [Backend::Ssh2, Backend::OpenSsh];

/// Requests a repair. Returns the answer and the lines that were shown before it.
fn watched(
    backend: Backend,
    sshd: &Sshd,
    watch: &mut dyn FnMut(&str),
) -> (Result<Answer, Error>, Vec<String>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut shown = Vec::new();
    let mut keep = |line: &str| {
        shown.push(line.to_owned());
        watch(line);
    };
    let answer = transport::connect(&HostRoute { backend, ..sshd.route() }, deadline)
        .and_then(|mut gate| gate.request_with_progress(&repair(), deadline, &mut keep));
    (answer, shown)
}

#[test]
fn shows_lines_while_the_repair_runs() {
    for backend in BACKENDS {
        let script = format!(
            "echo motd; echo SHP1 begun; until [ -e go ]; do sleep 0.02; done; echo SHP1 over; \
             echo 'SHN1 {DONE}'"
        );
        let sshd = Plan::new().gate(&script).start();
        // The gate waits for a file that this test creates when the first line is shown. If lines
        // were shown only at the end, the gate would never finish.
        let (answer, shown) = watched(backend, &sshd, &mut |line| {
            if line == "begun" {
                fs::write(sshd.path("go"), "").unwrap();
            }
        });
        assert!(matches!(answer, Ok(Answer::Job(_))), "{backend:?}: {answer:?}");
        assert_eq!(shown, ["begun", "over"], "{backend:?}");
    }
}

#[test]
fn accepts_missing_and_ignored_output() {
    for backend in BACKENDS {
        let silent = Plan::new().gate(&format!("echo 'SHN1 {DONE}'")).start();
        let (answer, shown) = watched(backend, &silent, &mut |_| ());
        assert!(answer.is_ok() && shown.is_empty(), "{backend:?}: {answer:?} {shown:?}");
        let telling = Plan::new().gate(&format!("echo SHP1 x; echo 'SHN1 {DONE}'")).start();
        let deadline = Instant::now() + Duration::from_secs(30);
        let route = HostRoute { backend, ..telling.route() };
        let answer = transport::connect(&route, deadline)
            .and_then(|mut gate| gate.request(&repair(), deadline));
        assert!(answer.is_ok(), "{backend:?}: {answer:?}");
    }
}

#[test]
fn limits_and_cleans_output_of_a_hostile_gate() {
    for backend in BACKENDS {
        // The output consists of escape sequences, a fake answer, a very long line and more lines
        // than anyone would read.
        let script = format!(
            "printf 'SHP1 \\033[2J\\033]0;owned\\007\\302\\233\\342\\200\\256x\\n'; echo 'SHP1 \
            SHN1 {DONE}'; \
             printf 'SHP1 '; head -c 50000 /dev/zero | tr '\\0' y; echo; for n in $(seq 5000); do \
             echo SHP1 $n; done; \
             echo 'SHN1 {DONE}'"
        );
        let sshd = Plan::new().gate(&script).start();
        let (answer, shown) = watched(backend, &sshd, &mut |_| ());
        assert!(matches!(answer, Ok(Answer::Job(_))), "{backend:?}: {answer:?}");
        assert_eq!(shown.len(), 200, "{backend:?}");
        assert!(
            shown
                .iter()
                .all(|line| !line.contains(char::is_control) && line.chars().count() <= 161),
            "{backend:?}: {shown:?}"
        );
        assert!(
            shown[0].starts_with("?[2J?]0;owned???") && shown[1].starts_with("SHN1 {"),
            "{backend:?}: {shown:?}"
        );

        let begun = Instant::now();
        let endless = Plan::new().gate("yes SHP1 flood").start();
        let (answer, shown) = watched(backend, &endless, &mut |_| ());
        assert_eq!((answer.unwrap_err().code(), shown.len()), ("not-framed", 200), "{backend:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{backend:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn does_not_treat_output_as_an_answer() {
    for backend in BACKENDS {
        let sshd = Plan::new().gate(&format!("echo 'SHP1 {DONE}'; exit 0")).start();
        let (answer, shown) = watched(backend, &sshd, &mut |_| ());
        let error = answer.unwrap_err();
        assert!(error.code() == "not-framed" && !error.nothing_was_run(), "{backend:?}: {error}");
        assert_eq!(shown.len(), 1, "{backend:?}");
    }
}
