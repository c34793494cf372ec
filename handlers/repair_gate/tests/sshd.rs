//! Tests an installed gate with a real sshd, sudo and OpenSSH's clients. These tests need root, and
//! a kernel with mount namespaces and overlayfs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking, and print logs"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::installed::{Client, Installed};
use common::{GateResult, JOB, alive, read_pid, wait_until};
use serde_json::json;

/// Installs a host whose repair `x` runs `script` as root. `LAB` in the script is replaced by the
/// lab directory.
fn installed(script: &str) -> Installed {
    with_timeout("20s", script)
}

fn with_timeout(timeout: &str, script: &str) -> Installed {
    let host = Installed::with(&json!({"x": {
        "run": ["/bin/sh", "LAB/script"], "as": "root", "cooldown": "0s", "timeout": timeout,
        "diagnose": [["/usr/bin/id", "-un"]],
    }}));
    let here = host.lab.path("").display().to_string();
    fs::write(host.lab.path("script"), script.replace("LAB", here.trim_end_matches('/'))).unwrap();
    host
}

#[track_caller]
fn fails(output: &Output, what: &str) {
    assert!(!output.status.success(), "{what} must not work: {output:?}");
}

#[test]
fn packaged_line_runs_repair_as_root_and_reports_it() {
    let host = installed("id -un; touch LAB/marker");
    assert_eq!(host.request("list").json["repairs"], json!(["x"]));
    assert_eq!(host.request("version").code, 0);
    let answer = host.request(&format!("repair x {JOB}"));
    assert_eq!((answer.is("done").code, answer.output().as_str()), (0, "root"));
    assert_eq!(fs::metadata(host.lab.marker()).unwrap().uid(), 0);
    host.request(&format!("status {JOB}")).is("done");
    assert_eq!(host.request("diagnose x").json["reports"][0]["output"], json!(["root"]));
    let owner =
        fs::metadata(host.inside(&format!("/var/lib/nagios-selfheal/gate/jobs/{JOB}.json")))
            .unwrap();
    assert_eq!((owner.uid(), owner.mode() & 0o777), (29990, 0o600));
}

#[test]
fn logs_every_request_with_the_client_address() {
    let host = installed("exit 0");
    host.request("list");
    assert!(host.logged().contains("127.0.0.1 requested 'list': answered"));
    host.request("id; rm -rf /");
    let line = host.logged();
    assert!(
        line.starts_with("<84>") && line.contains("requested 'id; rm -rf /': refused, bad-request"),
        "{line}"
    );
    host.request(&format!("repair x {JOB}"));
    assert!(
        host.logged()
            .contains(&format!("127.0.0.1 requested the repair x, job {JOB}; starting it"))
    );
    assert!(host.logged().contains(&format!("requested 'repair x {JOB}': done after")));
}

#[test]
fn refuses_shells_commands_and_logins() {
    let host = installed("touch LAB/marker");
    let many = "x".repeat(100_000);
    for request in [
        &[][..],
        &["id"],
        &["/bin/sh"],
        &["sh -c 'touch /tmp/x'"],
        &["repair x 20261123-00000001; id"],
        &["repair x 20261123-00000001\nid"],
        &["repair x $(id)"],
        &[" -oProxyCommand=id"],
        &["x", "--config", "/tmp/x"],
        &[&many],
    ] {
        let output = host.ssh(&[], request);
        let answer = GateResult::of(&output);
        answer.refused("bad-request");
        assert_eq!(answer.stderr, "");
    }
    assert!(!host.lab.marker().exists() && host.jobs().is_empty());
}

#[test]
fn survives_megabyte_request() {
    let host = installed("touch LAB/marker");
    let piece = format!("repair x {JOB} {}", "y".repeat(100_000));
    let output = host.ssh(&[], &[piece.as_str(); 11]);
    fails(&output, "a megabyte");
    assert!(!host.lab.marker().exists() && host.jobs().is_empty());
    assert_eq!(host.request("list").code, 0);
}

#[test]
fn refuses_scp_and_sftp() {
    let host = installed("touch LAB/marker");
    fs::write(host.lab.path("loot"), "put /etc/hostname LAB\nget /etc/passwd\nls\n").unwrap();
    let (loot, drop) = (host.lab.path("loot"), host.lab.path("drop"));
    let to = format!("repair@127.0.0.1:{}/in", drop.display());
    for options in [&["-O"][..], &["-s"], &[]] {
        fails(
            &host.run(host.client("/usr/bin/scp").args(options).arg(&loot).arg(&to)),
            "scp to the host",
        );
        let from = host.run(
            host.client("/usr/bin/scp")
                .args(options)
                .arg("repair@127.0.0.1:/etc/passwd")
                .arg(drop.join("out")),
        );
        fails(&from, "scp from the host");
    }
    fails(
        &host.run(host.client("/usr/bin/sftp").arg("-b").arg(&loot).arg("repair@127.0.0.1")),
        "sftp",
    );
    for subsystem in ["sftp", "shell", "netconf"] {
        let output = host.ssh(&["-s"], &[subsystem]);
        assert!(
            !output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("passwd"),
            "{output:?}"
        );
    }
    assert_eq!(fs::read_dir(drop).unwrap().count(), 0);
    assert!(!host.lab.marker().exists() && host.jobs().is_empty());
}

#[test]
fn refuses_all_forwarding() {
    let host = installed("exit 0");
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let port = target.local_addr().unwrap().port();
    fails(&host.ssh(&["-W", &format!("127.0.0.1:{port}")], &[]), "-W");
    let socket = host.lab.path("drop/socket").display().to_string();
    for forward in [format!("0:127.0.0.1:{port}"), format!("{socket}:127.0.0.1:{port}")] {
        fails(&host.ssh(&["-N", "-o", "ExitOnForwardFailure=yes", "-R", &forward], &[]), &forward);
    }
    fails(
        &host.ssh(&["-N", "-o", "ExitOnForwardFailure=yes", "-w", "any"], &[]),
        "a tunnel device",
    );

    // The client accepts -L even if the server forbids forwarding, so check that no connection
    // reaches the target.
    let local = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let forward = format!("{local}:127.0.0.1:{port}");
    let client = Client(
        host.client("/usr/bin/ssh")
            .args(["-N", "-L", &forward, "repair@127.0.0.1"])
            .spawn()
            .unwrap(),
    );
    wait_until("the client listens", || std::net::TcpStream::connect(("127.0.0.1", local)).is_ok());
    host.wait_for_log("refused local port forward");
    drop(client);
    assert!(target.accept().is_err(), "a connection came through");
    assert!(!host.lab.path("drop/socket").exists());
}

#[test]
fn grants_no_terminal_agent_display_or_rc_file() {
    let host = installed("exit 0");
    fails(&host.ssh(&["-tt"], &["list"]), "a terminal");

    let agent =
        Command::new("/usr/bin/ssh-agent").arg("-a").arg(host.lab.path("agent")).output().unwrap();
    let text = String::from_utf8(agent.stdout).unwrap();
    let pid = text.split("SSH_AGENT_PID=").nth(1).unwrap().split(';').next().unwrap();
    let mut client = host.client("/usr/bin/ssh");
    client.args(["-A", "repair@127.0.0.1", "list"]).env("SSH_AUTH_SOCK", host.lab.path("agent"));
    assert_eq!(GateResult::of(&host.run(&mut client)).code, 0);
    let killed = Command::new("/bin/kill").arg(pid).status().unwrap();
    assert!(killed.success());
    host.wait_for_log("agent forwarding disabled");

    let mut client = host.client("/usr/bin/ssh");
    client.args(["-Y", "-v", "repair@127.0.0.1", "list"]).env("DISPLAY", ":99");
    let answer = GateResult::of(&host.run(&mut client));
    assert!(answer.stderr.contains("X11 forwarding disabled"), "{}", answer.stderr);
    assert!(!host.lab.path("drop/rc").exists(), "~/.ssh/rc was run");
}

#[test]
fn ignores_environment_sent_by_client() {
    let host = installed("env > LAB/env");
    let evil = [
        ("RUST_MIN_STACK", "99999999999999"),
        ("RUST_BACKTRACE", "full"),
        ("SSH_CONNECTION", "6.6.6.6 1 6.6.6.6 2"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/nonexistent"),
        ("SUDO_ASKPASS", "/bin/true"),
        ("LC_EVIL", "$(id)"),
        ("REPAIR_GATE_CONFIG", "/tmp/x.json"),
    ];
    let mut client = host.client("/usr/bin/ssh");
    for (name, value) in evil {
        client.args(["-o", &format!("SetEnv=\"{name}={value}\"")]);
    }
    let answer =
        GateResult::of(&host.run(client.args(["repair@127.0.0.1", &format!("repair x {JOB}")])));
    assert_eq!(answer.is("done").stderr, "");
    assert!(host.logged().contains("127.0.0.1 requested"), "the address comes from sshd");
    let seen = fs::read_to_string(host.lab.path("env")).unwrap();
    assert!(
        !seen.contains("EVIL")
            && !seen.contains("RUST")
            && !seen.contains("6.6.6.6")
            && !seen.contains("/tmp"),
        "{seen}"
    );
}

#[test]
fn sudo_permits_exactly_the_configured_command() {
    let host = with_timeout("2s", "touch LAB/marker");
    let script = host.lab.path("script").display().to_string();
    let sudo = ["/usr/bin/sudo", "-n", "-u", "root", "--"];
    let gate = "/usr/libexec/nagios-selfheal/repair_gate";
    let good = [gate, "within", "2", "10", "/bin/sh", &script];
    for bad in [
        &["/bin/sh", &script][..],
        &["/bin/sh"],
        &[gate],
        &[gate, "list"],
        &[gate, "within", "2", "10", "/bin/sh"],
        &[gate, "within", "2", "10", "/bin/sh", "-c", "id"],
        &[gate, "within", "2", "10", "/bin/sh", &script, "more"],
        &[gate, "within", "3", "10", "/bin/sh", &script],
        &[gate, "within", "2", "10", "/bin/sh", "/etc/passwd"],
        &[gate, "within", "10", "2", "/bin/sh", &script],
        &["/usr/libexec/../bin/env", "id"],
        &["/usr/bin/env", "id"],
    ] {
        fails(&host.as_repair(&[&sudo[..], bad].concat()), &bad.join(" "));
    }
    let another = ["/usr/bin/sudo", "-n", "-u", "daemon", "--"];
    fails(&host.as_repair(&[&another[..], &good[..]].concat()), "another account");
    let variable = ["/usr/bin/sudo", "-n", "LD_PRELOAD=/tmp/x"];
    fails(&host.as_repair(&[&variable[..], &good[..]].concat()), "a variable");
    assert!(!host.lab.marker().exists());
    let output = host.as_repair(&[&sudo[..], &good[..]].concat());
    assert!(output.status.success() && host.lab.marker().exists(), "{output:?}");
}

#[test]
fn reports_missing_sudoers_file() {
    let host = installed("touch LAB/marker");
    fs::remove_file(host.inside("/etc/sudoers.d/nagios-selfheal")).unwrap();
    let answer = host.request(&format!("repair x {JOB}"));
    assert!(
        answer.is("failed").output().contains("sudo: a password is required"),
        "{}",
        answer.json
    );
    assert!(!host.lab.marker().exists());
}

#[test]
fn reports_exit_codes_and_signals_through_sudo() {
    let host = installed("exit 5");
    assert_eq!(host.request(&format!("repair x {JOB}")).is("failed").json["exit"], json!(5));
    fs::write(host.lab.path("script"), "kill -SEGV $$").unwrap();
    let answer = host.request("repair x 20261123-signal");
    assert_eq!(
        (&answer.is("failed").json["signal"], &answer.json["exit"]),
        (&json!(11), &json!(null))
    );
}

#[test]
fn timeout_kills_root_processes_and_their_grandchildren() {
    let host = with_timeout(
        "2s",
        "sh -c 'echo $$ > LAB/pid; trap \"\" TERM; while :; do sleep 0.1; done' & wait",
    );
    let answer = host.request(&format!("repair x {JOB}"));
    assert_eq!(answer.is("timeout").code, 1);
    let pid = read_pid(&host.lab.path("pid"));
    // The shell that led the group ended on SIGTERM. The grandchild ignores SIGTERM, but is killed
    // together with the group.
    wait_until("the grandchild is gone", || !alive(&pid));
}

#[test]
fn killed_client_does_not_stop_the_repair() {
    let host = installed(
        "touch LAB/begun; while [ ! -e LAB/go ]; do sleep 0.05; done; echo much; echo more >&2; \
         touch LAB/marker",
    );
    let mut client = host
        .client("/usr/bin/ssh")
        .args(["repair@127.0.0.1", &format!("repair x {JOB}")])
        .spawn()
        .unwrap();
    wait_until("the repair runs", || host.lab.path("begun").exists());
    client.kill().unwrap();
    client.wait().unwrap();
    host.request(&format!("status {JOB}")).is("running");
    fs::write(host.lab.path("go"), "").unwrap();
    wait_until("the repair goes on", || host.lab.marker().exists());
    wait_until("the result is recorded", || {
        host.request(&format!("status {JOB}")).json["state"] == json!("done")
    });
    assert_eq!(host.request(&format!("repair x {JOB}")).is("done").output(), "much\nmore");
}

#[test]
fn daemon_left_behind_does_not_keep_the_session_open() {
    let host = installed(
        "sh -c 'echo $$ > LAB/pid; while :; do echo here; sleep 0.1; done' & sleep 0.2; echo \
         started",
    );
    let since = Instant::now();
    host.request(&format!("repair x {JOB}")).is("done");
    assert!(since.elapsed() < Duration::from_secs(50), "{:?}", since.elapsed());
    let pid = read_pid(&host.lab.path("pid"));
    std::thread::sleep(Duration::from_millis(500));
    assert!(alive(&pid), "the daemon was ended by SIGPIPE");
    assert!(Command::new("/bin/kill").args(["-KILL", &pid]).status().unwrap().success());
}

#[test]
fn repair_inherits_no_descriptors() {
    let host = installed("exec /bin/ls -l /proc/self/fd");
    let output = host.request(&format!("repair x {JOB}")).output();
    let shown: Vec<&str> = output.lines().filter_map(|line| line.split(" -> ").nth(1)).collect();
    assert_eq!(shown.len(), 4, "{output}");
    assert_eq!(shown[0], "/dev/null");
    assert!(
        shown[1].starts_with("pipe:") && shown[1] == shown[2] && shown[3].starts_with("/proc/"),
        "{output}"
    );
}

#[test]
fn ready_reports_obstacles_and_runs_nothing() {
    let host = installed("touch LAB/marker");
    let answer = host.request("ready x");
    assert_eq!((answer.code, &answer.json["repair"]), (0, &json!("x")), "{:?}", answer.json);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(answer.json["time"].as_u64().unwrap().abs_diff(now) < 30, "{:?}", answer.json);
    let refused = |reason: &str, part: &str| {
        let json = host.request("ready x").json;
        let text = json["text"].as_str().unwrap_or_default().to_owned();
        assert_eq!(json["reason"], json!(reason), "{text}");
        assert!(text.contains(part), "{text}");
    };
    let hold = host.inside("/etc/nagios-selfheal/hold");
    fs::write(&hold, "new kernel").unwrap();
    refused("held", "new kernel");
    fs::remove_file(&hold).unwrap();
    let sudoers = host.inside("/etc/sudoers.d/nagios-selfheal");
    let rules = fs::read_to_string(&sudoers).unwrap();
    // The sudo rule for the `diagnose` command is not enough for the repair itself.
    let less: String = rules
        .lines()
        .filter(|line| !line.contains("/script"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&sudoers, less).unwrap();
    refused(
        "config",
        "/etc/nagios-selfheal/repairs.json' sudoers > /etc/sudoers.d/nagios-selfheal.new",
    );
    fs::remove_file(&sudoers).unwrap();
    refused("config", "a password is required");
    fs::write(&sudoers, rules).unwrap();
    fs::remove_file(host.inside("/usr/bin/id")).unwrap();
    refused("config", "the program /usr/bin/id in repairs.json cannot be run");
    assert_eq!(host.request("ready y").json["reason"], json!("unknown-repair"));
    assert!(!host.lab.marker().exists());
}
