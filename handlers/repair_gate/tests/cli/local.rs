//! Tests `repair_gate repair NAME`, with which an agent on the host requests a repair.

use crate::common::{GateLab, GateResult};
use crate::jobs::NOTE;
use serde_json::json;

fn repair(lab: &GateLab, name: &str) -> GateResult {
    GateResult::of(&lab.command(None).args(["repair", name]).output().unwrap())
}

#[test]
fn runs_repair_named_in_arguments_under_its_limits() {
    let lab = GateLab::with(
        &format!("echo one; echo two; {NOTE}"),
        &json!({"cooldown": "1m", "budget": {"count": 5, "window": "1h"}}),
    );
    let done = repair(&lab, "x");
    assert_eq!((done.is("done").code, done.output().as_str()), (0, "one\ntwo"));
    assert!(done.streamed.is_empty(), "an agent gets only the answer");
    assert!(done.text("job").starts_with("local-"), "{}", done.json);
    let status = lab.request(&format!("status {}", done.text("job")));
    assert_eq!(status.is("done").text("repair"), "x");
    repair(&lab, "x").refused("cooldown");
    lab.request("repair x 20261123-00000002").refused("cooldown");
    std::fs::write(lab.path("etc/hold"), "disk is being replaced").unwrap();
    repair(&lab, "x").refused("held");
    repair(&lab, "y").refused("held");
    assert_eq!(lab.runs(), 1);
}

#[test]
fn runs_every_call_as_a_job_of_its_own() {
    let lab = GateLab::with(&format!("{NOTE}; exit 7"), &json!({}));
    let [first, second] = [(); 2].map(|()| repair(&lab, "x"));
    assert_eq!((first.is("failed").code, second.is("failed").code), (1, 1));
    assert_ne!(first.text("job"), second.text("job"));
    assert_eq!(lab.runs(), 2);
}

#[test]
fn arguments_count_instead_of_ssh_original_command() {
    let lab = GateLab::new();
    let mut command = lab.command(Some(b"list"));
    let answer = GateResult::of(&command.args(["repair", "nothing"]).output().unwrap());
    answer.refused("unknown-repair");
    let mut command = lab.command(Some(b"repair touch 20261123-00000001"));
    let answer = GateResult::of(&command.args(["repair", "../touch"]).output().unwrap());
    answer.refused("config");
    assert!(!lab.marker().exists());
}

/// If NRPE lets its clients choose arguments, a client can append options such as `--config` to the
/// name of the repair. The gate must refuse them.
#[test]
fn refuses_arguments_after_the_name_of_the_repair() {
    let lab = GateLab::with(NOTE, &json!({"cooldown": "1m"}));
    for option in ["--state", "--config"] {
        let mut command = lab.command(None);
        command.args(["repair", "x", option]).arg(lab.path("etc"));
        GateResult::of(&command.output().unwrap()).refused("config");
    }
    assert_eq!(lab.runs(), 0);
}

/// A version 2 packet of NRPE carries at most 1023 bytes of output, so the gate must shorten its
/// answer to an agent.
#[test]
fn answer_to_an_agent_fits_into_a_packet_of_nrpe() {
    let lab = GateLab::with("seq -f '%060g\"' 30", &json!({}));
    let output = lab.command(None).args(["repair", "x"]).output().unwrap();
    assert!(output.stdout.len() < 1024, "{output:?}");
    let done = GateResult::of(&output);
    assert!(done.is("done").output().ends_with("30\""), "{}", done.json);
    let status = lab.request(&format!("status {}", done.text("job")));
    assert_eq!(status.output().lines().count(), 30);
}
