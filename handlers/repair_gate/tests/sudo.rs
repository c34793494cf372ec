//! Tests the original sudo and sudo-rs behind a real sshd. Both accept the same sudoers file and
//! let the gate's account run exactly the configured commands. As root, the tests also run the
//! fixes that `ready` and `check` print for harmful options. These tests need root.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its counts"
)]

mod common;

use std::fs;
use std::process::Output;

use common::installed::{Installed, Sudo};
use common::{JOB, alive, read_pid, wait_until};
use serde_json::json;

/// The original sudo, sudo-rs as in Ubuntu 25.10 (0.2.8), and a newer sudo-rs.
const ALL: [Sudo; 3] = [Sudo::Original, Sudo::Rs("0.2.8"), Sudo::Rs("0.2.15")];
const GATE: &str = "/usr/libexec/nagios-selfheal/repair_gate";

/// Installs a host whose repair `x` runs this script as root. One argument of the script contains
/// every special character that is allowed in a command.
fn host(sudo: Sudo, script: &str) -> Installed {
    host_with(sudo, "20s", script)
}

fn host_with(sudo: Sudo, timeout: &str, script: &str) -> Installed {
    let run = ["/bin/sh", "LAB/script", "more", WORD];
    let host = Installed::with_sudo(
        sudo,
        &json!({"x": {"run": run, "as": "root", "cooldown": "0s", "timeout": timeout}}),
    );
    let lab = host.lab.path("").display().to_string();
    fs::write(host.lab.path("script"), script.replace("LAB", lab.trim_end_matches('/'))).unwrap();
    let version = host.as_root(&["/usr/bin/sudo", "--version"]);
    let version = [version.stdout, version.stderr].concat();
    let version = String::from_utf8_lossy(&version).into_owned();
    let wanted = match sudo {
        Sudo::Original => "Sudo version ".to_owned(),
        Sudo::Rs(version) => format!("sudo-rs {version}\n"),
    };
    assert!(version.starts_with(&wanted), "{version}");
    host
}

/// An administrator's own sudoers file, which sudo reads after the gate's.
const ADMINS: &str = "/etc/sudoers.d/zz-admin";
const WORD: &str = "--a=b:c,d@e%f+g~h{i}_J-9./";

fn shell(host: &Installed, script: &str) -> Output {
    host.as_root(&["/bin/sh", "-euc", script])
}

#[track_caller]
fn must(host: &Installed, script: &str) -> String {
    let done = shell(host, script);
    assert!(done.status.success(), "{script}: {done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Returns the message with which the gate refuses `ready x`, or an empty string if it answers
/// "ready".
fn obstacle(host: &Installed) -> String {
    let answer = host.request("ready x");
    if answer.code == 0 { String::new() } else { answer.refused("config").to_owned() }
}

/// Returns the command that follows "as root here: " in a message.
fn fix(text: &str) -> &str {
    text.split_once("as root here: ").unwrap_or_else(|| panic!("no fix: {text}")).1.trim_end()
}

#[test]
fn same_sudoers_file_works_with_every_sudo() {
    let files = ALL.map(|sudo| {
        let host = host(sudo, "id -un; echo \"$1 $2\"; exit 3");
        must(&host, "visudo -c");
        assert_eq!(obstacle(&host), "");
        let answer = host.request(&format!("repair x {JOB}"));
        assert_eq!(answer.is("failed").json["exit"], json!(3));
        assert_eq!(answer.output(), format!("root\nmore {WORD}"));
        for signal in [1, 2, 3, 6, 7, 8, 9, 10, 11, 13, 14, 15] {
            fs::write(host.lab.path("script"), format!("kill -{signal} $$")).unwrap();
            let answer = host.request(&format!("repair x 20261123-signal-{signal}"));
            let json = &answer.is("failed").json;
            let (key, value) = if signal == 9 { ("exit", 137) } else { ("signal", signal) };
            assert_eq!(json[key], json!(value), "{sudo:?}: {json}");
        }
        let lab = host.lab.path("").display().to_string();
        must(&host, "cat /etc/sudoers.d/nagios-selfheal").replace(lab.trim_end_matches('/'), "LAB")
    });
    assert!(files.iter().all(|file| *file == files[0]), "{files:#?}");
    assert!(!files[0].contains("requiretty"), "{}", files[0]);
}

#[test]
fn keeps_daemons_and_kills_processes_at_the_timeout() {
    for sudo in ALL {
        let host = host(
            sudo,
            "sh -c 'echo $$ > LAB/pid; while :; do echo here; sleep 0.1; done' & sleep 0.2",
        );
        host.request(&format!("repair x {JOB}")).is("done");
        let pid = read_pid(&host.lab.path("pid"));
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(alive(&pid), "{sudo:?} ended the daemon");
        must(&host, &format!("kill -KILL {pid}"));
    }
    for sudo in ALL {
        let deaf = "sh -c 'echo $$ > LAB/pid; trap \"\" TERM; while :; do sleep 0.1; done' & wait";
        let host = host_with(sudo, "1s", deaf);
        host.request(&format!("repair x {JOB}")).is("timeout");
        let pid = read_pid(&host.lab.path("pid"));
        wait_until("the process that ignores SIGTERM is gone", || !alive(&pid));
    }
}

/// A pseudo-random number generator (xorshift64*). The tests give it a fixed seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

/// Mutates a command line at random: removes, duplicates, swaps, joins, truncates or changes words.
fn mutated(dice: &mut Dice, good: &[String]) -> Vec<String> {
    const PIECES: [&str; 16] =
        ["*", "?", "[", "]", "\\", "\"\"", "''", "-c", "id", "/", "..", " ", "=", ",", "0", "\n"];
    let mut words = good.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(words.len());
        let (other, inside) = (dice.below(words.len()), dice.below(words[at].len()));
        let piece = PIECES[dice.below(PIECES.len())];
        match dice.below(8) {
            0 if words.len() > 1 => drop(words.remove(at)),
            1 => words.insert(at + 1, words[at].clone()),
            2 => words.swap(at, other),
            3 if at + 1 < words.len() => {
                let joined = words.remove(at + 1);
                words[at] += &format!(" {joined}");
            }
            4 => words.insert(at + 1, piece.to_owned()),
            5 => words[at].truncate(inside),
            6 => words[at].insert_str(inside, piece),
            _ => words[at] = words[at].to_uppercase(),
        }
    }
    words
}

#[test]
fn every_sudo_refuses_a_thousand_other_command_lines() {
    for sudo in ALL {
        let host = host(sudo, "touch LAB/marker");
        let script = host.lab.path("script").display().to_string();
        let good =
            [GATE, "within", "20", "10", "/bin/sh", &script, "more", WORD].map(str::to_owned);
        let run = |words: &[String]| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let sudo = ["/usr/bin/sudo", "-n", "-u", "root", "--"];
            host.as_repair(&[&sudo[..], &words].concat())
        };
        let (mut dice, mut refused) = (Dice(0x5e1f_4ea1), 0);
        while refused < 1000 {
            let bad = mutated(&mut dice, &good);
            if bad == good {
                continue;
            }
            let output = run(&bad);
            assert!(!output.status.success(), "{sudo:?}: {bad:?}: {output:?}");
            assert!(!host.lab.marker().exists(), "{sudo:?}: {bad:?}");
            refused += 1;
        }
        println!("{sudo:?} refused {refused} command lines");
        let output = run(&good);
        assert!(output.status.success() && host.lab.marker().exists(), "{sudo:?}: {output:?}");
    }
}

#[test]
fn printed_fix_turns_off_harmful_sudo_options() {
    let host = host(Sudo::Original, "exec sh -c 'echo fine'");
    let mut fixed = 0;
    for (option, scope) in [
        ("intercept", ""),
        ("noexec", ":repair"),
        ("log_output", ""),
        ("log_output", ">root"),
        ("log_stdout", "@ALL"),
        ("log_stderr", ""),
        ("log_subcmds", ""),
        ("command_timeout=1h", ""),
        ("intercept, log_output", ""),
    ] {
        must(&host, &format!("umask 226; echo 'Defaults{scope} {option}' > {ADMINS}; visudo -c"));
        let text = obstacle(&host);
        assert!(text.contains(option.split('=').next().unwrap()), "{option}: {text}");
        // `check` prints the same fix for root on the host.
        let warned = must(&host, &format!("{GATE} check"));
        assert!(warned.contains(fix(&text)), "{option}: {warned}");
        must(&host, fix(&text));
        assert_eq!(obstacle(&host), "", "{option}");
        let job = format!("20261123-{fixed}");
        assert_eq!(host.request(&format!("repair x {job}")).is("done").output(), "fine");
        assert!(!must(&host, &format!("{GATE} check")).contains("warning: sudo"), "{option}");
        must(&host, "rm /etc/sudoers.d/nagios-selfheal-defaults");
        fixed += 1;
    }
    println!("ran {fixed} printed fixes");
    // These options do not affect a repair, because a repair has no terminal.
    for option in ["use_pty", "log_input", "log_ttyout", "!use_pty", "!log_output"] {
        must(&host, &format!("umask 226; echo 'Defaults {option}' > {ADMINS}; visudo -c"));
        assert_eq!(obstacle(&host), "", "{option}");
    }
}

#[test]
fn turns_off_requiretty_only_if_it_is_set() {
    for scope in ["", ":repair"] {
        let host = host(Sudo::Original, "echo fine");
        let option = format!("Defaults{scope} requiretty");
        // Old versions of RHEL set the option in /etc/sudoers, before sudo reads the files in
        // sudoers.d.
        must(&host, &format!("sed -i '1i {option}' /etc/sudoers; visudo -c"));
        let text = obstacle(&host);
        assert!(text.contains("you must have a tty"), "{text}");
        must(&host, fix(&text));
        assert_eq!(obstacle(&host), "");
        host.request(&format!("repair x {JOB}")).is("done");
        // A newly generated file contains `!requiretty` while the option is set, and omits it
        // afterwards.
        let renewed = || must(&host, &format!("{GATE} sudoers")).contains("!requiretty");
        assert!(renewed());
        must(&host, "sed -i 1d /etc/sudoers; visudo -c");
        assert!(!renewed());
    }
}

#[test]
fn command_printed_by_ready_creates_missing_rules() {
    for sudo in ALL {
        let host = host(sudo, "echo fine");
        must(&host, "rm /etc/sudoers.d/nagios-selfheal");
        let text = obstacle(&host);
        must(&host, fix(&text));
        assert_eq!(obstacle(&host), "");
        assert_eq!(must(&host, "stat -c '%a %U' /etc/sudoers.d/nagios-selfheal"), "440 root\n");
        host.request(&format!("repair x {JOB}")).is("done");
    }
}
