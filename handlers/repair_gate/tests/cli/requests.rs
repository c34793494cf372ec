//! Tests which requests the gate accepts from a server, or from anyone else who has its key, and
//! that all other input has no effect.

use std::fs;

use crate::common::{GateLab, GateResult, JOB};
use serde_json::json;

/// Malformed requests. A gate with a less strict parser could run a repair for them.
fn malformed_requests() -> Vec<Vec<u8>> {
    let texts = [
        "",
        " ",
        "repair",
        "repair ",
        "repair touch",
        "repair  touch JOB",
        "repair touch JOB ",
        " repair touch JOB",
        "repair touch  JOB",
        "repair\ttouch\tJOB",
        "repair touch JOB x",
        "repair touch JOB\n",
        "repair touch\nJOB",
        "\nrepair touch JOB",
        "repair touch JOB\nrepair touch JOB",
        "repair touch JOB\r\n",
        "repair touch JOB;",
        "repair touch JOB; id",
        "repair touch; id",
        "repair touch;id JOB",
        "repair touch&&id JOB",
        "repair touch|id JOB",
        "repair `touch` JOB",
        "repair $(touch) JOB",
        "repair ${touch} JOB",
        "repair $touch JOB",
        "repair 'touch' JOB",
        "repair \"touch\" JOB",
        "repair touch JOB > /tmp/x",
        "repair touch JOB &",
        "repair touch JOB # x",
        "repair touch* JOB",
        "repair touch? JOB",
        "repair [t]ouch JOB",
        "repair ~root JOB",
        "repair ../touch JOB",
        "repair ./touch JOB",
        "repair /usr/bin/touch JOB",
        "repair touch/../touch JOB",
        "repair touch ../../../etc/passwd",
        "repair touch ../jobs/x1234567",
        "repair touch JOB/..",
        "repair touch .hidden-job-id",
        "repair -oProxyCommand=id JOB",
        "repair --config JOB",
        "repair -touch JOB",
        "repair _touch JOB",
        "repair touch -oProxyCommand",
        "repair touch short",
        "repair TOUCH JOB",
        "REPAIR touch JOB",
        "Repair touch JOB",
        "run touch JOB",
        "repair touch\\ JOB",
        "repair tou\\x63h JOB",
        "repair touch%20JOB",
        "repair=touch JOB",
        "repair touch JOB\x1b[2J",
        "repair touch\x07 JOB",
        "repair touch\u{a0}JOB",
        "repair tоuch JOB",
        "repair touch JOB\u{202e}",
        "/bin/sh",
        "sh -c id",
        "id",
        "env",
        "--help",
        "--version",
        "-h",
        "check",
        "sudoers",
        "sudoers root",
        "list all",
        "usage touch",
        "list ",
        "version\n",
        "status",
        "status ../lock",
        "status .",
        "diagnose",
        "diagnose touch JOB",
        "diagnose ../touch",
        "internal-sftp",
        "/usr/lib/openssh/sftp-server",
        "scp -t /tmp",
        "scp -f /etc/shadow",
        "rsync --server -e.LsfxC . /",
        "git-upload-pack 'x'",
        "SSH_ORIGINAL_COMMAND='repair touch JOB'",
        "() { :;}; repair touch JOB",
        "repair touch JOB --state /tmp",
        "--state /tmp repair touch JOB",
        "repair touch JOB\u{0b}",
        "{\"repair\": \"touch\", \"job\": \"JOB\"}",
    ];
    let mut all: Vec<Vec<u8>> =
        texts.iter().map(|text| text.replace("JOB", JOB).into_bytes()).collect();
    all.push(format!("repair touch {}", "a".repeat(65)).into_bytes());
    all.push(format!("repair {} {JOB}", "a".repeat(65)).into_bytes());
    all.push(format!("repair touch {JOB}{}", " ".repeat(100_000)).into_bytes());
    all.push(vec![b'a'; 100_000]);
    all.push([b"repair touch ".as_slice(), JOB.as_bytes(), b"\xff"].concat());
    all.push([b"repair \xc0\xaftouch ".as_slice(), JOB.as_bytes()].concat());
    all
}

#[test]
fn malformed_requests_run_and_write_nothing() {
    let lab = GateLab::new();
    let words = malformed_requests();
    assert!(words.len() > 90);
    for bad in &words {
        let answer = lab.request_bytes(Some(bad));
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(80)]).into_owned();
        // Upper-case names are valid, but this host has no such repair.
        let reason =
            if shown.starts_with("repair TOUCH ") { "unknown-repair" } else { "bad-request" };
        assert_eq!(
            (answer.text("answer"), answer.text("reason")),
            ("refused", reason),
            "{shown:?}"
        );
        assert_eq!((answer.code, answer.stderr.as_str()), (3, ""), "{shown:?}");
        assert!(!lab.marker().exists(), "{shown:?} ran the repair");
        assert_eq!(
            lab.state_files(),
            Vec::<String>::new(),
            "{shown:?} wrote to the state directory"
        );
    }
    // A valid request does create the marker, so the checks above would have noticed a repair.
    assert_eq!(lab.request(&format!("repair touch {JOB}")).is("done").code, 0);
    assert!(lab.marker().exists());
}

#[test]
fn refuses_login_without_command() {
    let lab = GateLab::new();
    lab.request_bytes(None).refused("bad-request");
    assert!(lab.state_files().is_empty());
}

#[test]
fn refusal_has_job_id_if_it_is_valid() {
    let lab = GateLab::new();
    assert_eq!(lab.request(&format!("repair a;b {JOB}")).json["job"], json!(JOB));
    assert_eq!(lab.request(&format!("repair nothing {JOB}")).json["job"], json!(JOB));
    assert_eq!(lab.request("repair touch short").json.get("job"), None);
}

#[test]
fn answers_list_and_version() {
    let lab = GateLab::new();
    lab.repairs(&json!({"b": {"run": ["/bin/true"]}, "a": {"run": ["/bin/true"]}}));
    assert_eq!(lab.request("list").json["repairs"], json!(["a", "b"]));
    let version = lab.request("version");
    assert_eq!((version.text("version"), version.code), (env!("CARGO_PKG_VERSION"), 0));
    assert_eq!(
        version.text("host"),
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim()
    );
    assert!(lab.state_files().is_empty());
}

#[test]
fn ignores_the_environment() {
    let lab = GateLab::with("env > \"$1/env\"", &json!({}));
    let mut command = lab.command(Some(format!("repair x {JOB}").as_bytes()));
    for name in [
        "CONFIG",
        "STATE",
        "REPAIR_GATE_CONFIG",
        "HOME",
        "TMPDIR",
        "PATH",
        "IFS",
        "ENV",
        "BASH_ENV",
        "LD_LIBRARY_PATH",
    ] {
        command.env(name, "/nonexistent");
    }
    command
        .env("RUST_MIN_STACK", "99999999999999")
        .env("RUST_BACKTRACE", "full")
        .env("LC_ALL", "xx_XX")
        .env("LC_EVIL", "$(id)");
    let answer = GateResult::of(&command.output().unwrap());
    answer.is("done");
    assert_eq!(answer.stderr, "");
    let seen = fs::read_to_string(lab.path("env")).unwrap();
    let mut names: Vec<&str> = seen
        .lines()
        .filter_map(|line| line.split('=').next())
        .filter(|name| *name != "_")
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["LC_ALL", "PATH", "PWD"], "{seen}");
}

#[test]
fn refuses_invalid_arguments_in_authorized_keys() {
    let lab = GateLab::new();
    for bad in [&["--nonsense"][..], &["--config"], &["repair", "touch", JOB]] {
        let mut command = lab.command(Some(format!("repair touch {JOB}").as_bytes()));
        let answer = GateResult::of(&command.args(bad).output().unwrap());
        answer.refused("config");
        assert!(answer.stderr.starts_with("repair_gate: "), "{}", answer.stderr);
    }
    assert!(!lab.marker().exists() && lab.state_files().is_empty());
}

#[test]
fn prints_help_and_version() {
    let lab = GateLab::new();
    for (word, start) in
        [("--help", "repair_gate: runs"), ("--version", "repair_gate 0."), ("-V", "repair_gate 0.")]
    {
        let output = lab.run_by_hand(&[word]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(start));
    }
}

/// Setup scripts run `repair_gate sudoers > FILE`. If a failed write went unnoticed, the empty file
/// would be a valid sudoers file.
#[test]
fn exits_with_3_if_output_cannot_be_written() {
    let lab = GateLab::new();
    for word in ["sudoers", "check"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = lab.command(None).arg(word).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{word}: {output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("standard output: No space left"),
            "{output:?}"
        );
    }
    // If the gate cannot write its answer to a server, its exit code is still that of the answer.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(lab.command(Some(b"list")).stdout(full).output().unwrap().status.code(), Some(0));
}
