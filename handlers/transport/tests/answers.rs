//! Tests how the client interprets a host's output. Only a framed answer to the request counts,
//! regardless of the exit status. No output can block the client, fill its memory or fake an
//! answer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Plan, by_openssh, fails, repair, send, signal, soon};
use rustix::process::Signal;
use transport::{Answer, Error, GateReason, JobState, Request};

/// Requests a repair from a host whose forced command is `script`. Checks that the client refuses
/// its output, and returns the error.
fn rejected(script: &str) -> Error {
    let sshd = Plan::new().gate(script).start();
    let error = fails(&sshd.route(), &repair());
    assert_eq!(error.code(), "not-framed", "{error}");
    assert!(!error.nothing_was_run(), "a repair may have run: {error}");
    assert!(!error.to_string().contains(|c: char| c.is_control()), "{error:?}");
    assert!(error.to_string().len() < 2000, "{error}");
    error
}

const DONE: &str = concat!(
    r#"{"answer":"repair","host":"t","job":"20261123-4f3a9c2b","repair":"httpd","#,
    r#""state":"done","exit":0,"signal":null,"seconds":0.1,"started":1,"output":["ok"]}"#
);

#[test]
fn does_not_treat_exit_status_zero_as_success() {
    assert!(rejected("exit 0").to_string().contains("empty"));
    assert!(rejected("echo all is well; exit 0").to_string().contains("all is well"));
}

#[test]
fn accepts_the_answer_despite_a_nonzero_exit_status() {
    let sshd = Plan::new().gate(&format!("echo 'SHN1 {DONE}'; echo noise >&2; exit 2")).start();
    let (answer, _) = send(&sshd.route(), &repair(), Duration::from_secs(30));
    let Ok(Answer::Job(report)) = answer else { panic!("{answer:?}") };
    assert_eq!(report.state, JobState::Done);
}

#[test]
fn skips_other_lines_but_not_a_second_frame() {
    let sshd = Plan::new()
        .gate(&format!("echo Welcome; echo 'SHN1 {DONE}'; echo bye; echo 'SHN1 x' >&2"))
        .start();
    assert!(send(&sshd.route(), &repair(), Duration::from_secs(30)).0.is_ok());
    let error = rejected(&format!("echo 'SHN1 {DONE}'; echo 'SHN1 {DONE}'"));
    assert!(error.to_string().contains("more than one"), "{error}");
}

#[test]
fn refuses_garbage_and_the_answer_to_another_request() {
    rejected("head -c 5000 /dev/urandom");
    rejected("echo 'SHN1 {}'");
    rejected("echo 'SHN1 not json'");
    rejected(&format!("printf '%s' 'SHN1 {DONE}'"));
    rejected(&format!("echo 'SHN2 {DONE}'"));
    rejected(&format!("echo 'SHN1 {}'", DONE.replace("4f3a9c2b", "00000000")));
    rejected(&format!("echo 'SHN1 {}'", DONE.replace("\"httpd\"", "\"sshd\"")));
    rejected(&format!(
        "echo 'SHN1 {}'",
        DONE.replace("\"repair\",\"host\"", "\"status\",\"host\"")
    ));
    rejected(&format!("echo 'SHN1 {}'", DONE.replace("\"exit\":0", "\"exit\":1")));
    rejected(&format!("echo 'SHN1 {}'", DONE.replace("\"started\"", "\"more\":1,\"started\"")));
}

#[test]
fn shows_output_of_a_host_without_gate() {
    let error = rejected("echo 'repair_gate: not found' >&2; exit 127").to_string();
    assert!(error.contains("repair_gate: not found") && error.contains("127"), "{error}");
}

/// The gate is reported missing only if it cannot have produced the output. A gate that was killed,
/// panicked or sent a malformed answer is not missing.
#[test]
fn distinguishes_a_missing_gate_from_a_failed_one() {
    for (script, is_missing) in [
        ("exec /usr/sbin/nologin", true),
        ("exit 1", true),
        ("echo oops; exec /nonexistent/repair_gate", true),
        ("exit 0", false),
        ("exit 2", false),
        ("exit 137", false),
        ("kill -9 $$", false),
        ("printf '\\033]0;web1\\007SHN1 {}\\n'; exit 1", false),
        ("echo 'SHP1 it begins'; exit 1", false),
        ("head -c 1000000 /dev/zero; exit 1", false),
    ] {
        let sshd = Plan::new().gate(script).start();
        for route in [sshd.route(), by_openssh(sshd.route())] {
            let error = fails(&route, &repair());
            assert!(!error.nothing_was_run(), "{script}: {error}");
            assert_eq!(error.is_without_gate(), is_missing, "{script}: {error}");
        }
    }
}

#[test]
fn removes_escape_sequences_from_output() {
    rejected(r"printf '\033[2J\033]0;owned\007\302\233\342\200\256\n'; printf '\033[31m' >&2");
    let tricky = DONE.replace("\"ok\"", r#""\\u001b[2Jred\\u202e""#);
    let sshd = Plan::new().gate(&format!("printf 'SHN1 {tricky}\\n'")).start();
    let (answer, _) = send(&sshd.route(), &repair(), Duration::from_secs(30));
    let Ok(Answer::Job(report)) = answer else { panic!("{answer:?}") };
    assert_eq!(report.output, ["?[2Jred?"]);
}

#[test]
fn refuses_ten_megabytes_of_stdout() {
    let error = rejected(&format!("head -c 10000000 /dev/zero; echo; echo 'SHN1 {DONE}'"));
    assert!(error.to_string().contains("320 KiB"), "{error}");
    rejected("yes");
}

#[test]
fn finds_the_answer_despite_megabytes_of_stderr() {
    let sshd = Plan::new()
        .gate(&format!(
            "head -c 5000000 /dev/zero >&2; echo 'SHN1 {DONE}'; head -c 5000000 /dev/zero >&2"
        ))
        .start();
    let (answer, _) = send(&sshd.route(), &repair(), Duration::from_secs(60));
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn does_not_treat_a_killed_command_as_success() {
    let error = rejected("kill -9 $$");
    assert!(error.to_string().contains("signal \"KILL\""), "{error}");
}

#[test]
fn does_not_wait_for_a_daemon_that_holds_the_channel() {
    let sshd =
        Plan::new().gate(&format!("sleep 300 & echo $! > daemon; echo 'SHN1 {DONE}'")).start();
    let route = sshd.route();
    let mut gate = transport::connect(&route, soon()).unwrap();
    let begun = std::time::Instant::now();
    assert!(gate.request(&repair(), soon()).is_ok());
    assert!(gate.request(&repair(), soon()).is_ok(), "the connection can be used again");
    drop(gate);
    assert!(begun.elapsed() < Duration::from_secs(100), "{:?}", begun.elapsed());
    signal(sshd.wait_for("daemon").parse().unwrap(), Signal::KILL);
}

#[test]
fn gives_the_command_an_empty_standard_input() {
    let sshd = Plan::new().gate(&format!("cat; echo 'SHN1 {DONE}'")).start();
    assert!(send(&sshd.route(), &repair(), Duration::from_secs(30)).0.is_ok());
}

#[test]
fn accepts_a_refusal_as_an_answer() {
    let refusal = concat!(
        r#"{"answer":"refused","host":"t","reason":"busy","text":"job other-job-1 is running","#,
        r#""job":"20261123-4f3a9c2b","running":"other-job-1"}"#
    );
    let sshd = Plan::new().gate(&format!("echo 'SHN1 {refusal}'; exit 3")).start();
    let (answer, _) = send(&sshd.route(), &repair(), Duration::from_secs(30));
    let Ok(Answer::Refused(refusal)) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.reason, GateReason::Busy);
    assert_eq!(refusal.running.unwrap().as_str(), "other-job-1");
}

#[test]
fn reports_that_a_failed_query_ran_nothing() {
    let sshd = Plan::new().gate("echo nonsense").start();
    let error = fails(&sshd.route(), &Request::List);
    assert!(error.nothing_was_run() && error.to_string().ends_with("nothing was run"), "{error}");
}

#[test]
fn refuses_further_requests_after_a_failure() {
    let sshd = Plan::new().gate("echo nonsense").start();
    let mut gate = transport::connect(&sshd.route(), soon()).unwrap();
    assert_eq!(gate.request(&repair(), soon()).unwrap_err().code(), "not-framed");
    let error = gate.request(&repair(), soon()).unwrap_err();
    assert_eq!((error.code(), error.nothing_was_run()), ("used-up", true));
    assert_eq!(sshd.requests().len(), 1);
}
