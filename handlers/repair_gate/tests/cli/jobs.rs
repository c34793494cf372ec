//! Tests that each job runs only once and within its time limit, that no two jobs run at the same
//! time, and that a report contains a bounded excerpt of the output.

use std::collections::HashMap;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::common::{GATE, GateLab, GateResult, JOB, alive, read_pid, wait_until};
use serde_json::json;

/// Script that counts its runs in the file `runs`.
pub const NOTE: &str = "echo ran >> \"$1/runs\"";

/// Returns the `n`th of a series of job IDs. None of them is [`JOB`].
pub fn other(n: usize) -> String {
    format!("20261123-other{n:04}")
}

#[test]
fn runs_repair_and_reports_result() {
    let lab = GateLab::with("echo out; echo err >&2; exit 3", &json!({}));
    let answer = lab.repair(JOB);
    answer.is("failed");
    assert_eq!(
        (answer.code, &answer.json["exit"], &answer.json["signal"]),
        (1, &json!(3), &json!(null))
    );
    assert_eq!(
        (answer.text("repair"), answer.text("job"), answer.output().as_str()),
        ("x", JOB, "out\nerr")
    );
    assert!(
        answer.json["started"].as_u64().unwrap() > 1_700_000_000
            && answer.json["seconds"].as_f64().unwrap() < 60.0
    );
    assert_eq!(answer.stderr, "");
}

#[test]
fn reports_known_job_without_running_it_again() {
    let lab = GateLab::with(NOTE, &json!({}));
    let first = lab.repair(JOB);
    first.is("done");
    for _ in 0..3 {
        assert_eq!(lab.repair(JOB).json, first.json);
    }
    assert_eq!(lab.runs(), 1);
    let status = lab.request(&format!("status {JOB}"));
    assert_eq!((status.text("answer"), status.code), ("status", 0));
    assert_eq!(status.json["started"], first.json["started"]);
    lab.request("status 20261123-never").refused("no-such-job");
    lab.request(&format!("repair y {JOB}")).refused("bad-request");
}

#[test]
fn reports_a_signal_and_not_an_exit_code() {
    let lab = GateLab::with("kill -SEGV $$", &json!({}));
    let answer = lab.repair(JOB);
    assert_eq!(
        (&answer.is("failed").json["signal"], &answer.json["exit"]),
        (&json!(11), &json!(null))
    );
}

#[test]
fn timeout_kills_process_group_with_grandchildren() {
    let lab = GateLab::with(
        "(sh -c 'echo $$ > \"$0/pid\"; sleep 60' \"$1\" & wait) & wait",
        &json!({"timeout": "1s"}),
    );
    let answer = lab.repair(JOB);
    assert_eq!((answer.is("timeout").code, &answer.json["exit"]), (1, &json!(null)));
    let pid = read_pid(&lab.path("pid"));
    wait_until("the grandchild is gone", || !alive(&pid));
}

#[test]
fn kills_repair_that_ignores_sigterm_after_grace_period() {
    let lab = GateLab::with(
        "trap '' TERM; echo $$ > \"$1/pid\"; while :; do sleep 0.2; done",
        &json!({"timeout": "1s"}),
    );
    let answer = lab.repair(JOB);
    assert!(answer.is("timeout").json["seconds"].as_f64().unwrap() >= 11.0, "{}", answer.json);
    assert!(!alive(&read_pid(&lab.path("pid"))));
}

#[test]
fn timeout_is_enforced_after_the_gate_has_died() {
    let lab = GateLab::with("echo $$ > \"$1/pid\"; sleep 600", &json!({"timeout": "6s"}));
    let mut gate = lab.spawn(&format!("repair x {JOB}"));
    let pid = read_pid(&lab.path("pid"));
    gate.kill().unwrap();
    gate.wait().unwrap();
    assert!(alive(&pid));
    wait_until("the repair was stopped", || !alive(&pid));
}

#[test]
fn stops_repair_that_has_used_up_all_processes() {
    let lab = GateLab::new();
    // Copy the gate to a place where the unprivileged account can execute it. Let cp write the
    // copy. If this process wrote it, a process forked by another test could inherit the open file,
    // and executing the copy would fail (ETXTBSY).
    let gate = lab.path("gate");
    assert!(Command::new("cp").args([GATE.as_ref(), gate.as_os_str()]).status().unwrap().success());
    // `within`, its timer thread, a shell and a sleep exhaust the limit of four processes. When
    // SIGKILL is due, the sleep is still running, so kill(1) cannot be started until the sleep
    // exits.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=54321", "--clear-groups", "prlimit", "--nproc=4:4"]).arg(gate);
    command.args(["within", "1", "1", "/bin/sh", "-c", "sleep 3 & wait; exec sleep 300"]);
    let begun = Instant::now();
    assert_eq!(command.status().unwrap().code(), Some(124));
    assert!(begun.elapsed() < Duration::from_secs(200), "the repair was not stopped");
}

#[test]
fn exit_code_124_or_137_is_a_failure_and_not_a_timeout() {
    for code in [124, 137] {
        let lab = GateLab::with(&format!("exit {code}"), &json!({}));
        assert_eq!(lab.repair(JOB).is("failed").json["exit"], json!(code));
    }
}

#[test]
fn daemon_with_open_stdout_keeps_running_and_delays_nothing() {
    let script = "sh -c 'echo $$ > \"$0/pid\"; while :; do echo still here; sleep 0.05; done' \
                  \"$1\" & sleep 0.2; echo started";
    let lab = GateLab::with(script, &json!({}));
    // Like sshd, `output()` waits for the end of the pipe. If the daemon held the pipe, this call
    // would wait for the daemon.
    let answer = lab.repair(JOB);
    assert!(answer.is("done").json["seconds"].as_f64().unwrap() < 50.0);
    assert!(answer.output().contains("started"));
    let pid = read_pid(&lab.path("pid"));
    // During this pause the daemon writes many lines. If the pipe were closed, SIGPIPE would kill
    // the daemon.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(alive(&pid), "the daemon was ended by SIGPIPE");
    // The daemon does not hold the host's lock, so the gate can run another repair.
    lab.repair(&other(1)).is("done");
    assert!(
        Command::new("/bin/kill")
            .args(["-KILL", &pid, &read_pid(&lab.path("pid"))])
            .status()
            .is_ok()
    );
}

#[test]
fn bounds_and_cleans_long_output() {
    let lab = GateLab::with(
        "seq 100000; printf '\\033[31mred\\007\\n'; head -c 5000000 /dev/zero | tr '\\0' x",
        &json!({}),
    );
    let answer = lab.repair(JOB);
    let lines = answer.is("done").json["output"].as_array().unwrap();
    assert_eq!((lines.len(), &lines[0], &lines[39]), (41, &json!("1"), &json!("?[31mred?")));
    assert!(lines.iter().all(|line| line.as_str().unwrap().len() <= 303));
}

#[test]
fn reports_missing_program() {
    let lab = GateLab::new();
    lab.repairs(&json!({"x": {"run": ["/nonexistent/program"]}}));
    assert!(lab.repair(JOB).is("failed").output().contains("/nonexistent/program"));
}

#[test]
fn runs_one_of_fifty_concurrent_requests() {
    let lab = GateLab::with(&format!("{NOTE}; sleep 3"), &json!({"cooldown": "60s"}));
    let gates: Vec<Child> = (0..50).map(|n| lab.spawn(&format!("repair x {}", other(n)))).collect();
    let answers: Vec<GateResult> =
        gates.into_iter().map(|gate| GateResult::of(&gate.wait_with_output().unwrap())).collect();
    assert_eq!(lab.runs(), 1);
    let done: Vec<&GateResult> =
        answers.iter().filter(|answer| answer.json["state"] == json!("done")).collect();
    assert_eq!(done.len(), 1);
    let winner = &done[0].json["job"];
    for answer in answers.iter().filter(|answer| answer.json["job"] != *winner) {
        // On a busy machine, a request can arrive after the repair has already ended. It is then
        // refused because of the cooldown.
        if answer.json["reason"] != json!("cooldown") {
            answer.refused("busy");
            assert_eq!(&answer.json["running"], winner, "the refusals name the running job");
        }
    }
}

#[test]
fn runs_job_once_for_fifty_concurrent_requests_with_its_id() {
    let lab = GateLab::with(&format!("{NOTE}; sleep 1"), &json!({}));
    let gates: Vec<Child> = (0..50).map(|_| lab.spawn(&format!("repair x {JOB}"))).collect();
    let mut states: HashMap<String, usize> = HashMap::new();
    for gate in gates {
        let answer = GateResult::of(&gate.wait_with_output().unwrap());
        assert_eq!(answer.text("job"), JOB);
        *states.entry(answer.text("state").to_owned()).or_default() += 1;
    }
    assert_eq!(lab.runs(), 1);
    assert!(states.keys().all(|state| state == "done" || state == "running"), "{states:?}");
}

#[test]
fn records_outcome_after_client_has_disconnected() {
    let lab = GateLab::with(&format!("{NOTE}; echo much; sleep 0.5; exit 3"), &json!({}));
    let mut command = lab.command(Some(format!("repair x {JOB}").as_bytes()));
    let mut gate = command.spawn().unwrap();
    drop((gate.stdout.take(), gate.stderr.take()));
    assert_eq!(gate.wait().unwrap().code(), Some(1), "the exit code is still that of the result");
    lab.request(&format!("status {JOB}")).is("failed");

    // Test closed standard streams, and output to a full disk.
    for (n, redirection) in ["<&- >&- 2>&-", ">/dev/full 2>&1"].iter().enumerate() {
        let mut shell = Command::new("/bin/sh");
        let script = format!(
            "exec '{}' --config '{}' --state '{}' {redirection}",
            GATE,
            lab.config().display(),
            lab.state().display()
        );
        shell.args(["-c", &script]).env("SSH_ORIGINAL_COMMAND", format!("repair x {}", other(n)));
        assert_eq!(shell.status().unwrap().code(), Some(1));
        let status = lab.request(&format!("status {}", other(n)));
        assert_eq!(
            (status.is("failed").output().as_str(), &status.json["exit"]),
            ("much", &json!(3))
        );
    }
}

#[test]
fn diagnosis_runs_its_commands_and_changes_no_record() {
    let fails = ["/bin/sh", "-c", "echo no >&2; exit 4"];
    let lab = GateLab::with(
        "exit 0",
        &json!({"diagnose": [["/bin/echo", "a", "b c"], fails, ["/nonexistent"]]}),
    );
    let answer = lab.request("diagnose x");
    assert_eq!((answer.text("answer"), answer.text("repair"), answer.code), ("diagnose", "x", 0));
    let reports = answer.json["reports"].as_array().unwrap();
    assert_eq!(
        reports[0],
        json!({"run": ["/bin/echo", "a", "b c"], "exit": 0, "output": ["a b c"]})
    );
    assert_eq!((&reports[1]["exit"], &reports[1]["output"]), (&json!(4), &json!(["no"])));
    assert_eq!(reports[2]["exit"], json!(127));
    lab.request("diagnose y").refused("unknown-repair");
    assert_eq!(lab.state_files(), ["diagnose", "jobs"]);
}

#[test]
fn largest_diagnosis_fits_within_the_servers_limit() {
    let worst = [
        "/bin/sh",
        "-c",
        "yes '\"\"\"\"\\\"' | tr -d '\\n' | head -c 100000 | fold -w 400; exit 0",
    ];
    let lab = GateLab::with("exit 0", &json!({"diagnose": vec![worst; 8]}));
    let output = lab.command(Some(b"diagnose x")).output().unwrap();
    assert_eq!(GateResult::of(&output).json["reports"].as_array().unwrap().len(), 8);
    assert!((190_000..256 * 1024).contains(&output.stdout.len()), "{}", output.stdout.len());
}

#[test]
fn refuses_repair_with_world_writable_umask() {
    let lab = GateLab::with(NOTE, &json!({}));
    let script = format!(
        "umask 0; exec '{}' --config '{}' --state '{}'",
        GATE,
        lab.config().display(),
        lab.state().display()
    );
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .env("SSH_ORIGINAL_COMMAND", format!("repair x {JOB}"))
        .output()
        .unwrap();
    assert!(GateResult::of(&output).refused("config").contains("umask"));
    assert_eq!(lab.runs(), 0);
}
