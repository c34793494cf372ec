//! Measures what one process costs. Alternates between this project's program and the original, and
//! prints the ratios of the medians with their spread.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{Daemon, Lab, Monitor, Place, WebSide, free_port, run, system_program, until};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::comparison::Comparison;
use crate::{parallel, say};

/// What one run costs. Times are in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    cpu: f64,
    pub wall: f64,
    page_faults: f64,
}

/// Implements `bench once PROGRAM [ARGUMENT...]`, which runs the program and prints its CPU time
/// and elapsed time in microseconds, and its page faults. Each measurement needs a new process,
/// because the kernel only reports the total for all children.
pub fn once(argv: &[String]) {
    let begun = Instant::now();
    let (program, arguments) = argv.split_first().expect("a program to measure");
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let wall = begun.elapsed().as_micros();
    status.expect("the measured program starts");
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let cpu = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    say(&format!("{cpu} {wall} {}", used.minor_page_faults()));
}

pub fn measure(argv: &[String]) -> Cost {
    let us = env::current_exe().expect("our own path");
    let said = run(Command::new(us).arg("once").args(argv));
    let numbers: Vec<f64> =
        said.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [cpu, wall, page_faults] = numbers.as_slice() else { panic!("{said}") };
    Cost { cpu: *cpu, wall: *wall, page_faults: *page_faults }
}

/// Returns a program's peak memory in KiB. Until a child calls exec, the kernel counts the parent's
/// memory as the child's. Therefore time(1) starts the program, because time(1) is smaller than all
/// measured programs.
fn memory(argv: &[String]) -> f64 {
    let mut command = Command::new(system_program(&["time"]));
    let output = command
        .args(["-f", "%M"])
        .args(argv)
        .stdin(Stdio::null())
        .output()
        .expect("time(1) starts");
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines()
        .next_back()
        .and_then(|line| line.parse().ok())
        .unwrap_or_else(|| panic!("time(1) said {said}"))
}

/// Two commands that do the same thing.
struct Pair {
    name: &'static str,
    ours: Vec<String>,
    theirs: Vec<String>,
}

fn words(program: &Path, arguments: &str) -> Vec<String> {
    [program.display().to_string()]
        .into_iter()
        .chain(arguments.split_whitespace().map(str::to_owned))
        .collect()
}

/// Prints a table that compares the costs of the programs that Nagios runs thousands of times a
/// minute with those of the originals.
pub fn compare(rounds: usize) {
    let Lab { place, web, monitor } = Lab::new();
    place.file(
        "web/apache/large.html",
        &format!("{}needle\n", "hay ".repeat(256 * 1024)),
        0o644,
        None,
    );
    // Copy check_http_openssl into the lab as well, because check_http looks for it in its own
    // directory.
    place.program("check_http_openssl");
    // Signing with this kind of key costs little, so that the server leaves the processors to the
    // checks.
    let curve = "ec -pkeyopt ec_paramgen_curve:prime256v1";
    let (tls, tls_port) = tls_server(&place, "tls", curve, "");
    // Make check_http fall back to check_http_openssl, with a cipher suite without forward secrecy.
    // rustls refuses these suites, but OpenSSL 3 still supports them.
    let (old_tls, old_tls_port) =
        tls_server(&place, "old_tls", "rsa:2048", " -tls1_2 -cipher AES128-SHA");
    say(&format!(
        "ratios of the medians of {rounds} runs each, with quartiles; page faults of both; per \
         second: {} at a time",
        parallel::AT_A_TIME
    ));
    say(&table_row("ours / the original", ["CPU", "wall", "memory", "faults", "per second"]));
    for pair in handler_pairs(&place, &monitor).into_iter().chain(check_pairs(
        &monitor,
        &web,
        tls_port,
        old_tls_port,
    )) {
        row(&pair, rounds);
    }
    drop((tls, old_tls));
}

fn row(pair: &Pair, rounds: usize) {
    assert_eq!(
        exit_code(&pair.ours),
        exit_code(&pair.theirs),
        "{}: the exit codes differ",
        pair.name
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(measure(&pair.ours));
        theirs.push(measure(&pair.theirs));
    }
    let compare = |which: fn(&Cost) -> f64| {
        let [ours, theirs] = [&ours, &theirs].map(|all| all.iter().map(which).collect::<Vec<_>>());
        Comparison::new(&ours, &theirs)
    };
    let memories = |argv: &[String]| (0..5).map(|_| memory(argv)).collect::<Vec<f64>>();
    let memory = Comparison::new(&memories(&pair.ours), &memories(&pair.theirs));
    let faults = compare(|cost| cost.page_faults);
    let cells = [
        compare(|cost| cost.cpu).ratio(),
        compare(|cost| cost.wall).ratio(),
        format!("{:.2}", memory.ours / memory.theirs),
        format!("{} / {}", faults.ours, faults.theirs),
        parallel::compare(&pair.ours, &pair.theirs).ratio(),
    ];
    say(&table_row(pair.name, cells.each_ref().map(String::as_str)));
}

fn table_row(name: &str, [cpu, wall, memory, faults, rate]: [&str; 5]) -> String {
    format!("{name:<31}{cpu:>18}{wall:>18}{memory:>8}{faults:>12}{rate:>20}")
}

fn exit_code(argv: &[String]) -> Option<i32> {
    let (program, arguments) = argv.split_first()?;
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?
        .code()
}

/// Returns two comparisons for a handler call that does nothing: with a dash script that tests the
/// same conditions, and with `true`.
fn handler_pairs(place: &Place, monitor: &Monitor) -> Vec<Pair> {
    let script = "#!/bin/dash\ncase \"$1;$2;$3\" in\n'CRITICAL;SOFT;3' | 'CRITICAL;HARD;'*) exec \
    /bin/false ;;\nesac\nexit 0\n";
    let script = place.file("nothing.sh", script, 0o755, None);
    let call = "OK HARD 1 --host web1 --address 127.0.0.1 --service HTTP --repair httpd \
                --max-attempts 4 --host-state UP --downtime 0";
    // The benchmark runs as root. As root, the handler rejects a policy that Nagios' user owns.
    let policy = std::fs::read_to_string(&monitor.policy).expect("the lab's policy");
    let policy = place.file("policy_of_root.json", &policy, 0o644, None);
    let ours = words(&monitor.handler, &format!("{call} --policy {}", policy.display()));
    vec![
        Pair {
            name: "handler, nothing to do / dash",
            ours: ours.clone(),
            theirs: words(&script, "OK HARD 1"),
        },
        Pair {
            name: "handler, nothing to do / true",
            ours,
            theirs: words(&system_program(&["true"]), ""),
        },
    ]
}

fn check_pairs(monitor: &Monitor, web: &WebSide, tls_port: u16, old_tls_port: u16) -> Vec<Pair> {
    let original = system_program(&["check_http"]);
    let port = web.apache.port;
    let cases = [
        ("check_http, HTTP", format!("-H localhost -I 127.0.0.1 -p {port}")),
        ("check_http, HTTPS", format!("-H localhost -I 127.0.0.1 -p {tls_port} -S")),
        ("check_http, certificate", format!("-H localhost -I 127.0.0.1 -p {tls_port} -S -C 1")),
        ("check_http, legacy TLS", format!("-H localhost -I 127.0.0.1 -p {old_tls_port} -S")),
        ("check_http, refused", format!("-H localhost -I 127.0.0.1 -p {}", free_port())),
        (
            "check_http, 1 MB and a pattern",
            format!("-H localhost -I 127.0.0.1 -p {port} -u /large.html -r n[e]+dle"),
        ),
    ];
    cases
        .into_iter()
        .map(|(name, call)| Pair {
            name,
            ours: words(&monitor.check, &call),
            theirs: words(&original, &call),
        })
        .collect()
}

/// Starts a TLS server that answers every request with a page. `key_type` is the argument of
/// `openssl req -newkey`. Returns the server and its port.
fn tls_server(place: &Place, name: &str, key_type: &str, options: &str) -> (Daemon, u16) {
    let openssl: PathBuf = system_program(&["openssl"]);
    let (key, cert) = (place.at(&format!("{name}.key")), place.at(&format!("{name}.pem")));
    let request = format!("req -x509 -newkey {key_type} -nodes -days 30 -subj /CN=localhost");
    run(Command::new(&openssl)
        .args(request.split(' '))
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert));
    let port = free_port();
    let server = format!(
        "s_server -accept 127.0.0.1:{port} -key {} -cert {} -www -quiet{options}",
        key.display(),
        cert.display()
    );
    let arguments: Vec<&str> = server.split(' ').collect();
    let daemon = Daemon::start(&place.at(&format!("{name}.log")), &openssl, &arguments);
    until("the TLS server listening", Duration::from_secs(10), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (daemon, port)
}
