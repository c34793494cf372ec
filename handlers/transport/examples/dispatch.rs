//! Measures how long a client takes from its start until the framed answer arrives. The requested
//! repair does nothing. Run it with `cargo run --release -p transport --example dispatch [ROUNDS]`.
//!
//! Compares this crate with `ssh` and check_by_ssh. The clients run in turn, each in a new process,
//! and connect to the same sshd on loopback.
//!
//! Prints each client's median wall time and mean CPU time. The CPU time of sshd is not included.
//! Exits with 1 if this crate needs more than 25 % of the wall time or 12 % of the CPU time of
//! `ssh` with its default options, or more than 50 % of the wall time of `ssh` with curve25519.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "this benchmark may panic"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::env;
use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::{Plan, Sshd, repair, soon};
use policy_file::{HostRoute, HostRoutes};

const CURVE: &str = "KexAlgorithms=curve25519-sha256";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().collect();
    if words.get(1).is_some_and(|word| word == "request") {
        return request(&words[2..]);
    }
    let rounds = words.get(1).map_or(30, |rounds| rounds.parse().unwrap());
    let sshd = Plan::new().host_keys(&["rsa", "ecdsa", "ed25519"]).start();
    let route =
        sshd.route_with(&format!("[127.0.0.1]:{} {}\n", sshd.port, sshd.host_key("ed25519")));
    let subjects = [
        ("transport", ours(&route)),
        ("ssh", ssh(&sshd, &[])),
        ("ssh curve25519", ssh(&sshd, &["-o", CURVE])),
        ("check_by_ssh", check_by_ssh(&sshd)),
    ];
    let mut runs: Vec<(Vec<Duration>, Duration)> =
        vec![(Vec::new(), Duration::ZERO); subjects.len()];
    for _ in 0..rounds {
        for ((_, argv), (walls, cpu)) in subjects.iter().zip(&mut runs) {
            let (wall, used) = measure(argv);
            walls.push(wall);
            *cpu += used;
        }
    }
    judge(&subjects.map(|(name, _)| name), runs, rounds)
}

fn judge(names: &[&str], runs: Vec<(Vec<Duration>, Duration)>, rounds: u32) -> ExitCode {
    let results: Vec<(f64, f64)> = runs
        .into_iter()
        .map(|(mut walls, cpu)| {
            walls.sort();
            (
                walls[walls.len() / 2].as_secs_f64() * 1e3,
                cpu.as_secs_f64() * 1e3 / f64::from(rounds),
            )
        })
        .collect();
    println!(
        "{:16} {:>10} {:>10} {:>10} {:>10}",
        "client", "wall ms", "CPU ms", "wall/ssh", "CPU/ssh"
    );
    for (name, (wall, cpu)) in names.iter().zip(&results) {
        println!(
            "{name:16} {wall:10.1} {cpu:10.1} {:10.2} {:10.2}",
            wall / results[1].0,
            cpu / results[1].1
        );
    }
    let limits = [
        ("wall time / ssh", results[0].0 / results[1].0, 0.25),
        ("CPU time / ssh", results[0].1 / results[1].1, 0.12),
        ("wall time / ssh curve25519", results[0].0 / results[2].0, 0.5),
    ];
    let mut kept = true;
    for (what, ratio, most) in limits {
        kept &= ratio <= most;
        println!(
            "{} {what}: {ratio:.3}, at most {most}",
            if ratio <= most { "ok    " } else { "FAILED" }
        );
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Logs in once and requests one repair. The benchmark measures the process that calls this
/// function.
fn request(words: &[String]) -> ExitCode {
    let route = HostRoute {
        port: words[1].parse().unwrap(),
        user: words[2].clone(),
        key: words[3].clone().into(),
        known_hosts: vec![words[4].clone().into()],
        ..HostRoutes::default().route("web1", Some(&words[0]))
    };
    let answer = transport::connect(&route, soon()).unwrap().request(&repair(), soon()).unwrap();
    println!("SHN1 {answer:?}");
    ExitCode::SUCCESS
}

fn ours(route: &HostRoute) -> Vec<String> {
    let me = env::current_exe().unwrap().display().to_string();
    let (key, file) = (route.key.display().to_string(), route.known_hosts[0].display().to_string());
    vec![
        me,
        "request".into(),
        route.address.clone(),
        route.port.to_string(),
        route.user.clone(),
        key,
        file,
    ]
}

fn options(sshd: &Sshd) -> Vec<String> {
    let file = format!("UserKnownHostsFile={}", sshd.path("known_hosts").display());
    [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "GlobalKnownHostsFile=/dev/null",
        &file,
    ]
    .iter()
    .flat_map(|option| ["-o".to_owned(), (*option).to_owned()])
    .collect()
}

fn ssh(sshd: &Sshd, more: &[&str]) -> Vec<String> {
    let mut argv: Vec<String> = ["ssh", "-F", "/dev/null", "-n", "-T"].map(String::from).to_vec();
    argv.extend(options(sshd));
    argv.extend(more.iter().map(|word| (*word).to_owned()));
    argv.extend([
        "-i".into(),
        sshd.path("user").display().to_string(),
        "-p".into(),
        sshd.port.to_string(),
    ]);
    argv.extend(["-l".into(), common::me(), "--".into(), "127.0.0.1".into(), repair().to_string()]);
    argv
}

fn check_by_ssh(sshd: &Sshd) -> Vec<String> {
    let program = "/usr/lib/nagios/plugins/check_by_ssh";
    assert!(
        fs::metadata(program).is_ok(),
        "this measurement needs check_by_ssh: install monitoring-plugins-basic"
    );
    let mut argv: Vec<String> =
        [program, "-t", "30", "-E", "-H", "127.0.0.1", "-p"].map(String::from).to_vec();
    argv.extend([
        sshd.port.to_string(),
        "-l".into(),
        common::me(),
        "-i".into(),
        sshd.path("user").display().to_string(),
    ]);
    argv.extend(options(sshd));
    argv.extend(["-C".into(), repair().to_string()]);
    argv
}

fn measure(argv: &[String]) -> (Duration, Duration) {
    let (cpu, begun) = (children_cpu(), Instant::now());
    let ran = Command::new(&argv[0]).args(&argv[1..]).stdin(Stdio::null()).output().unwrap();
    let wall = begun.elapsed();
    let output = String::from_utf8_lossy(&ran.stdout);
    assert!(output.contains("SHN1"), "{argv:?}: {output} {}", String::from_utf8_lossy(&ran.stderr));
    (wall, children_cpu() - cpu)
}

/// Returns the total CPU time of all child processes that have exited, from fields 16 and 17 of
/// proc_pid_stat(5). The fields count ticks of 10 ms. Fractions of a tick carry over to the next
/// run, so the mean of many runs is accurate.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
