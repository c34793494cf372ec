//! Tests that the programs on repaired hosts, and those that Nagios starts often, run on any
//! distribution. These programs must not need a library, a loader or any other file of the system.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::{Place, run, system_program};
use serde_json::Value;

const STATIC: [&str; 3] = ["repair_gate", "handle_repair", "check_http"];
/// User ID that the gate runs as. It has no name, because there is no /etc/passwd.
const NOBODY: u32 = 65534;

#[test]
fn static_programs_need_no_loader_or_library() {
    let place = Place::new();
    for name in STATIC {
        let read = run(Command::new(system_program(&["readelf"]))
            .args(["--wide", "--segments", "--dynamic"])
            .arg(place.program(name)));
        assert!(read.contains("LOAD"), "{name}: {read}");
        for word in ["INTERP", "(NEEDED)"] {
            assert!(
                !read.contains(word),
                "{name} is not static ({word}); `make build` needs rustup's musl target for that: \
                 {read}"
            );
        }
    }
}

/// A root directory that contains only the static programs and two devices.
struct EmptyRoot {
    root: PathBuf,
    _place: Place,
}

impl EmptyRoot {
    fn new() -> EmptyRoot {
        let place = Place::new();
        let root = place.directory("root", None);
        for name in STATIC {
            run(Command::new("cp").arg(place.program(name)).arg(root.join(name)));
        }
        place.directory("root/dev", None);
        place.directory("root/proc", None);
        for (device, minor) in [("null", "3"), ("urandom", "9")] {
            run(Command::new(system_program(&["mknod"]))
                .args(["-m", "666"])
                .arg(root.join("dev").join(device))
                .args(["c", "1", minor]));
        }
        place.directory("root/state", Some((NOBODY, NOBODY)));
        EmptyRoot { root, _place: place }
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.root.join(name), text).unwrap();
    }

    /// Copies one of this system's programs and its libraries into the root directory.
    fn add_program(&self, program: &str) {
        let told = run(Command::new(system_program(&["ldd"])).arg(program));
        let libraries = told.split_whitespace().filter(|word| word.starts_with('/'));
        run(Command::new("cp")
            .args(["--parents", "--dereference", "--target-directory"])
            .arg(&self.root)
            .arg(program)
            .args(libraries));
    }

    /// Runs a program as nobody, in separate namespaces, with this root directory as `/`. Its only
    /// environment variable contains the request.
    fn run(&self, request: &str, command: &[&str]) -> Output {
        let mut unshare = Command::new(system_program(&["unshare"]));
        unshare
            .args(["--mount", "--pid", "--fork", "--mount-proc"])
            .arg(format!("--root={}", self.root.display()));
        unshare.args([format!("--setuid={NOBODY}"), format!("--setgid={NOBODY}")]).args(command);
        unshare.env_clear().env("SSH_ORIGINAL_COMMAND", request).output().unwrap()
    }
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

const GATE: [&str; 5] = ["/repair_gate", "--config", "/repairs.json", "--state", "/state"];

/// Sends a request to the gate in the empty root directory. Returns the gate's answer.
fn answer(host: &EmptyRoot, request: &str) -> Value {
    let text = said(&host.run(request, &GATE));
    serde_json::from_str(text.lines().last().unwrap().strip_prefix("SHN1 ").expect(&text))
        .expect(&text)
}

#[test]
fn gate_without_kill_answers_but_runs_nothing() {
    let host = EmptyRoot::new();
    host.file("repairs.json", r#"{"repairs": {"self": {"run": ["/repair_gate", "--version"]}}}"#);
    let list = answer(&host, "list");
    assert!(list.to_string().contains(r#""self""#), "{list}");
    assert_eq!(answer(&host, "repair other 20261123-00000001")["reason"], "unknown-repair");
    let failed = answer(&host, "repair self 20261123-00000002");
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(
        failed["output"][0]
            .as_str()
            .unwrap()
            .contains("cannot use /bin/kill, which stops the program at the time limit"),
        "{failed}"
    );
}

/// The gate needs only one other program: kill(1), with which it stops a repair at its timeout.
#[test]
fn gate_needs_only_kill() {
    let host = EmptyRoot::new();
    host.add_program("/bin/kill");
    host.add_program("/bin/sleep");
    let quick = r#"{"run": ["/repair_gate", "--version"], "cooldown": "0s"}"#;
    let slow = r#"{"run": ["/bin/sleep", "60"], "timeout": "1s", "cooldown": "0s"}"#;
    host.file("repairs.json", &format!(r#"{{"repairs": {{"quick": {quick}, "slow": {slow}}}}}"#));
    let done = answer(&host, "repair quick 20261123-00000001");
    assert_eq!((&done["state"], &done["exit"]), (&"done".into(), &0.into()), "{done}");
    assert!(done["output"][0].as_str().unwrap().starts_with("repair_gate "), "{done}");
    let stopped = answer(&host, "repair slow 20261123-00000002");
    assert_eq!(stopped["state"], "timeout", "{stopped}");
    assert!(stopped["seconds"].as_f64().unwrap() < 20.0, "{stopped}");
    assert_eq!(answer(&host, "status 20261123-00000001")["state"], "done", "the record is lost");
}

#[test]
fn handler_and_check_run_in_empty_root() {
    let server = EmptyRoot::new();
    server.file(
        "policy.json",
        r#"{"repairs": {"httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["/check_http"]}}}"#,
    );
    let words = [
        "OK",
        "HARD",
        "1",
        "--host",
        "web1",
        "--service",
        "HTTP",
        "--repair",
        "httpd",
        "--policy",
        "/policy.json",
    ];
    let done = server.run("", &[["/handle_repair"].as_slice(), &words].concat());
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(said(&done).starts_with("NO ACTION web1/HTTP"), "{}", said(&done));

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let web = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read(&mut [0; 4096]).unwrap();
        client
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            .unwrap();
    });
    let done = server.run("", &["/check_http", "-H", "127.0.0.1", "-p", &port, "-t", "5"]);
    web.join().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(said(&done).starts_with("HTTP OK: HTTP/1.1 200 OK"), "{}", said(&done));
}

/// If a dynamically linked program could run in the empty root directory, the other tests in this
/// file would prove nothing.
#[test]
fn dynamic_program_fails_in_empty_root() {
    let host = EmptyRoot::new();
    let linked = Path::new("/usr/bin/env");
    run(Command::new("cp").arg(linked).arg(host.root.join("env")));
    let done = host.run("", &["/env"]);
    assert!(!done.status.success() && said(&done).contains("No such file"), "{}", said(&done));
}
