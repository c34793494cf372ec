//! Tests with resource limits. Every program must exit with a code from 0 to 3 instead of dying
//! from a signal, and its message must name the exhausted resource.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use e2e::{Place, run};
use serde_json::json;

/// Limits on the number of open files. The lowest leaves room for one file besides the three
/// standard streams. The highest is more than enough.
const DESCRIPTORS: [u32; 12] = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, ENOUGH];
const ENOUGH: u32 = 1024;

/// A directory with a policy and a repairs.json. The repair `mark` creates a file.
struct Site {
    place: Place,
}

impl Site {
    fn new() -> Site {
        let site = Site { place: Place::new() };
        site.place.directory("state", None);
        run(Command::new("chmod").arg("700").arg(site.place.at("state")));
        let repairs = json!({"repairs": {
            "mark": {"run": ["/usr/bin/touch", site.mark()], "cooldown": "0s"},
            "other": {"run": ["/usr/bin/id"], "as": "nobody"},
        }});
        site.place.file("repairs.json", &repairs.to_string(), 0o644, None);
        let repair = |run: &[&str], verify: &[&str]| json!({"ladder": [{"local": run}], "verify": verify, "settle": "0s"});
        let signals = ["/bin/grep", "SigIgn", "/proc/self/status"];
        let policy = json!({
            "ledger": site.place.at("ledger.sqlite"),
            "repairs": {
                "mark": repair(&["/usr/bin/touch", site.mark().to_str().unwrap()], &["/bin/true"]),
                "signals": repair(&signals, &signals),
            },
        });
        site.place.file("policy.json", &policy.to_string(), 0o644, None);
        for program in ["handle_repair", "repair_worker"] {
            site.place.program(program);
        }
        site
    }

    fn mark(&self) -> PathBuf {
        self.place.at("mark")
    }

    /// Returns a command that runs a program under `wrapper`, for example `prlimit --nofile=4`.
    fn command(&self, wrapper: &str, program: &str, words: &str) -> Command {
        let mut command = Command::new("/usr/bin/env");
        command
            .args(wrapper.split_whitespace())
            .arg(self.place.program(program))
            .args(words.split_whitespace());
        command.stdin(Stdio::null());
        command
    }

    fn with_policy(&self, wrapper: &str, program: &str, words: &str) -> Command {
        let mut command = self.command(wrapper, program, words);
        command.arg("--policy").arg(self.place.at("policy.json"));
        command
    }

    /// Returns a command that calls the handler for a host such as `web7`, where `host` is 7. Calls
    /// for different hosts do not share a cooldown.
    fn repair(&self, wrapper: &str, name: &str, host: u32) -> Command {
        self.with_policy(
            wrapper,
            "handle_repair",
            &format!(
                "CRITICAL HARD 4 --host web{host} --service HTTP --repair {name} --foreground"
            ),
        )
    }

    fn gate(&self, wrapper: &str, request: &str) -> Command {
        let mut command = self.command(wrapper, "repair_gate", "--config");
        command.arg(self.place.at("repairs.json")).arg("--state").arg(self.place.at("state"));
        command.env("SSH_ORIGINAL_COMMAND", request);
        command
    }

    /// Returns a command for every program. The repair comes last, because its result would change
    /// the output of the other commands.
    fn all(&self, wrapper: &str, port: u16) -> Vec<Command> {
        vec![
            self.with_policy(wrapper, "check_repairs", ""),
            self.with_policy(wrapper, "repairctl", "status"),
            self.with_policy(wrapper, "repairctl", "history"),
            self.gate(wrapper, "version"),
            self.gate(wrapper, "ready mark"),
            self.gate(wrapper, "repair mark 20261130-00000001"),
            self.command(wrapper, "check_http", &format!("-H localhost -p {port}")),
            self.command(wrapper, "check_http", &format!("-H 127.0.0.1 -p {port}")),
            self.repair(wrapper, "mark", 2),
        ]
    }
}

/// Runs a command, and returns its exit code and output. Panics if the exit code is not between 0
/// and 3.
fn ended(command: &mut Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    let code = status.code().filter(|code| (0..=3).contains(code));
    (code.unwrap_or_else(|| panic!("{command:?}: {status}\n{text}")), text)
}

/// Starts a web server that answers every request with 200. Returns its port.
fn web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = |mut client: TcpStream| {
        let head = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
        head.take_while(|line| !line.is_empty()).for_each(drop);
        let _ = client.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    };
    thread::spawn(move || listener.incoming().flatten().for_each(answer));
    port
}

fn names_a_shortage(text: &str) -> bool {
    // glibc prints the first of these messages for EMFILE, and musl prints the second.
    text.contains("Too many open files") || text.contains("No file descriptors available")
}

#[test]
fn names_exhausted_descriptors() {
    let port = web_server();
    for limit in DESCRIPTORS {
        let site = Site::new();
        assert_eq!(ended(&mut site.repair("", "mark", 1)).0, 0);
        for mut command in site.all(&format!("prlimit --nofile={limit}"), port) {
            let (code, text) = ended(&mut command);
            let named = limit != ENOUGH && names_a_shortage(&text);
            assert!(code == 0 || named, "{command:?}: {code}\n{text}");
        }
    }
}

#[test]
fn repairs_nothing_under_file_size_limit() {
    let site = Site::new();
    for limit in [0, 1, 4096, 40_000] {
        let wrapper = format!("prlimit --core=0 --fsize={limit}");
        for mut command in [
            site.repair(&wrapper, "mark", 1),
            site.with_policy(&wrapper, "repairctl", "pause --reason test"),
        ] {
            let (code, text) = ended(&mut command);
            assert!(
                code == 3 && text.contains("ledger.sqlite") && text.contains("limit on file sizes"),
                "{code} {text}"
            );
        }
        let (code, text) = ended(&mut site.gate(&wrapper, "repair mark 20261130-00000001"));
        assert!(
            code == 3 && text.contains(&format!("can write files of at most {limit} bytes")),
            "{code} {text}"
        );
        assert!(!site.mark().exists(), "a repair was run");
    }
    assert_eq!(ended(&mut site.repair("prlimit --fsize=1000000", "mark", 1)).0, 0);
}

#[test]
fn reports_an_output_file_that_exceeds_the_size_limit() {
    let (site, port) = (Site::new(), web_server());
    let jar = site.place.at("jar");
    let words = format!("-H 127.0.0.1 -p {port} --cookie-jar={}", jar.display());
    let output = |program, words| {
        let mut command = site.command("prlimit --core=0 --fsize=0", program, words);
        command.stdout(std::fs::File::create(site.place.at("output")).unwrap());
        ended(&mut command)
    };
    assert_eq!(output("check_http", &words).0, 0, "the result must not depend on the cookie jar");
    let (code, text) = output("repairctl", "--help");
    assert!(code == 3 && text.contains("standard output: File too large"), "{code} {text}");
}

#[test]
fn reports_a_local_shortage_as_unknown() {
    let (site, port) = (Site::new(), web_server());
    for host in ["127.0.0.1", "localhost", "name.invalid"] {
        let (code, text) = ended(&mut site.command(
            "prlimit --nofile=3",
            "check_http",
            &format!("-H {host} -p {port}"),
        ));
        assert!(code == 3 && names_a_shortage(&text), "{host}: {code} {text}");
    }
    ended(&mut site.repair("", "mark", 1));
    let (code, text) = ended(&mut site.with_policy("prlimit --nofile=4", "check_repairs", ""));
    assert!(code == 3 && names_a_shortage(&text), "{code} {text}");
}

#[test]
fn does_not_confuse_failed_sudo_with_refusal() {
    let site = Site::new();
    let (code, text) = ended(&mut site.gate("prlimit --nofile=5", "ready other"));
    assert!(
        code == 3 && names_a_shortage(&text) && !text.contains("sudo does not let"),
        "{code} {text}"
    );
}

#[test]
fn exits_unknown_at_cpu_limit() {
    let site = Site::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let words = format!("-t 60 -H 127.0.0.1 -p {}", silent.local_addr().unwrap().port());
    let mut plugin = site.command("", "check_http", &words).spawn().unwrap();
    let _connected = silent.accept().unwrap();
    // The kernel sends this signal when a process reaches RLIMIT_CPU.
    run(Command::new("kill").args(["-XCPU", &plugin.id().to_string()]));
    assert_eq!(plugin.wait().unwrap().code(), Some(3));
}

#[test]
fn starts_children_with_default_signals() {
    let site = Site::new();
    let (code, text) =
        ended(&mut site.repair("--ignore-signal=XFSZ --ignore-signal=XCPU", "signals", 1));
    let ignored = text
        .split("SigIgn:")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or("nothing");
    let ignored = u64::from_str_radix(ignored, 16).unwrap_or_else(|_| panic!("{code} {text}"));
    // The child must not ignore SIGXCPU (24), SIGXFSZ (25) or SIGPIPE (13); see signal(7). The
    // handler, which starts the child, ignores all three: the first two because of the test's
    // wrapper, and SIGPIPE because of std.
    assert_eq!(ignored & (1 << 23 | 1 << 24 | 1 << 12), 0, "{text}");
}
