//! Tests that the gate sends the output of a running repair before the answer, as cleaned lines of
//! limited length and number, and that this never delays the repair.

use std::fs;
use std::io::{BufRead, BufReader, Read};

use crate::common::{GateLab, JOB, wait_until};
use crate::jobs::NOTE;
use serde_json::json;

#[test]
fn sends_lines_while_the_repair_runs() {
    let lab = GateLab::with(
        "echo begun; until [ -e \"$1/go\" ]; do sleep 0.02; done; printf 'the end'",
        &json!({"timeout": "20s"}),
    );
    let mut gate = lab.spawn(&format!("repair x {JOB}"));
    let mut stdout = BufReader::new(gate.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "\nSHP1 begun\n");
    // The repair does not continue until this file exists, so the line above must have arrived
    // while the repair was running.
    fs::write(lab.path("go"), "").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(
        rest.starts_with("SHP1 the end\n\nSHN1 {")
            && rest.contains("\"done\"")
            && rest.lines().count() == 3,
        "{rest}"
    );
    assert!(gate.wait().unwrap().success());
}

#[test]
fn bounds_and_cleans_lines_that_imitate_an_answer() {
    let lab = GateLab::with(
        "printf '\\033[2Jred\\007\\nSHN1 {}\\n'; head -c 5000 /dev/zero | tr '\\0' x; echo; seq \
        100000",
        &json!({}),
    );
    let answer = lab.repair(JOB);
    assert_eq!(
        (
            answer.is("done").streamed.len(),
            answer.streamed[0].as_str(),
            answer.streamed[1].as_str()
        ),
        (200, "?[2Jred?", "SHN1 {}")
    );
    assert!(answer.streamed.iter().all(|line| line.len() <= 303));
    assert_eq!(
        (answer.streamed[199].as_str(), answer.json["output"][40].as_str()),
        ("197", Some("100000"))
    );
}

#[test]
fn streams_the_output_of_a_repair_only_while_it_runs() {
    let lab = GateLab::with("echo once", &json!({"diagnose": [["/bin/echo", "found"]]}));
    assert_eq!(lab.repair(JOB).streamed, ["once"]);
    for request in [
        &format!("repair x {JOB}"),
        &format!("status {JOB}"),
        "diagnose x",
        "list",
        "version",
        "nonsense",
    ] {
        assert!(lab.request(request).streamed.is_empty(), "{request}");
    }
}

#[test]
fn a_client_that_stops_reading_does_not_stop_the_repair() {
    let lab = GateLab::with(
        &format!("head -c 3000000 /dev/zero | tr '\\0' x | fold -w 290; {NOTE}"),
        &json!({}),
    );
    let mut gate = lab.spawn(&format!("repair x {JOB}"));
    // Nobody reads the gate's stdout, and the repair's output does not fit into a pipe. The repair
    // must end nevertheless.
    wait_until("the repair has ended", || lab.runs() == 1);
    wait_until("the result is recorded", || {
        lab.request(&format!("status {JOB}")).json["state"] == json!("done")
    });
    drop(gate.stdout.take());
    assert_eq!(gate.wait().unwrap().code(), Some(0));
}
