//! Tests with a hostile account that owns the ledger, Nagios' files and Nagios' processes. This
//! account must not gain root privileges when root runs this project's programs.
//!
//! A program that root starts splits into two processes. One of them stays root. The other one, the
//! unprivileged process, runs as Nagios' user.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attacks;
mod flood;
mod halves;
mod site;
mod trace;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{WebSide, until};
use serde_json::json;

use site::{Ended, FAULT, Site};

/// The only environment variables that the unprivileged process may have.
const VARIABLES: [&str; 5] = ["HOME", "PATH", "SSH_AUTH_SOCK", "LANG", "TZ"];

fn proc_file(pid: u32, name: &str) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{name}")).unwrap()).into_owned()
}

/// Returns the ID of a process that runs this program as this user.
fn of_user(program: &Path, uid: u32) -> Option<u32> {
    let mut all = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_it = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
            && status.contains(&format!("\nUid:\t{uid}\t"))
    };
    all.find(is_it)
}

/// Inspects doctor's unprivileged process while doctor waits for a host that does not answer.
#[test]
fn doctor_drops_terminal_environment_and_descriptors() {
    let site = Site::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let key = fs::read_to_string(site.place.at("etc/id_ed25519.pub")).unwrap();
    site.place.file("etc/known_hosts", &format!("[web1]:{port} {key}"), 0o644, None);
    site.change_policy(|policy| {
        policy["ssh"]["port"] = json!(port);
        policy["hosts"] = json!({"web1": {"address": "127.0.0.1"}});
    });
    let _nagios = site.planted_nagios(&[
        ("LD_PRELOAD", "/nonexistent/evil.so"),
        ("LD_DEBUG", "all"),
        ("HOME", "/of/nagios"),
    ]);
    let secret = site.place.file("secret", "root's alone", 0o600, None);
    let doctor = format!(
        "{} --policy {} doctor web1 --nagios-cfg {}",
        site.ctl.display(),
        site.policy.display(),
        site.cfg.display()
    );
    // Run doctor on a separate terminal, with an open file that only root can read.
    let shell = format!("exec 9<{}; {doctor}", secret.display());
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &shell, "/dev/null"])
        .env("ADMINS_TOKEN", "secret")
        .stdin(Stdio::null());
    let mut script = script.stdout(Stdio::null()).spawn().unwrap();
    let half =
        until("doctor as nagios", Duration::from_secs(30), || of_user(&site.ctl, site.nagios.uid));

    let stat = proc_file(half, "stat");
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(
        (fields[3], fields[4]),
        (half.to_string().as_str(), "0"),
        "session and terminal: {stat}"
    );
    let environment = proc_file(half, "environ");
    let names = environment
        .split('\0')
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once('=').unwrap().0);
    let foreign: Vec<&str> = names.filter(|name| !VARIABLES.contains(name)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(environment.contains("HOME=/of/nagios"), "{environment}");
    let links = fs::read_dir(format!("/proc/{half}/fd"))
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let open: Vec<_> = links.collect();
    let leaked = open.iter().filter(|path| **path == secret || path.starts_with("/dev/pts"));
    assert_eq!(leaked.count(), 0, "{open:?}");
    assert_eq!(
        fs::read_link(format!("/proc/{half}/cwd")).unwrap(),
        fs::read_link("/proc/self/cwd").unwrap()
    );

    let status = proc_file(half, "status");
    let ids = |name: &str| -> BTreeSet<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(|id| id.parse().unwrap()).collect()
    };
    let groups = e2e::run(Command::new("id").args(["-G", "nagios"]));
    let groups: BTreeSet<u32> = groups.split_whitespace().map(|id| id.parse().unwrap()).collect();
    assert_eq!(
        (ids("Uid:"), ids("Gid:"), ids("Groups:")),
        ([site.nagios.uid].into(), [site.nagios.gid].into(), groups)
    );
    // Nagios' user must not be able to trace a process that was once root. While the kernel
    // prevents tracing, root owns the files of this process in /proc.
    assert_eq!(fs::metadata(format!("/proc/{half}/environ")).unwrap().uid(), 0);
    let _ = script.kill();
    let _ = script.wait();
}

/// Replaces ages such as `2 s old` in the output. A second can pass between two commands, so the
/// ages in their output can differ.
fn without_ages(mut ended: Ended) -> Ended {
    let words: Vec<&str> = ended.out.split(' ').collect();
    let is_age = |n: usize| words.get(n + 1).is_some_and(|unit| *unit == "s");
    let masked = words.iter().enumerate().map(|(n, word)| if is_age(n) { "N" } else { word });
    ended.out = masked.collect::<Vec<_>>().join(" ");
    ended
}

/// Runs the commands that README.md shows for everyday work, as root and as Nagios' user.
#[test]
fn commands_work_as_root_and_as_nagios() {
    let site = Site::new();
    site.fault();
    for words in site::DAY {
        let (by_root, by_nagios) = (site.ctl(None, words), site.ctl(Some(&site.nagios), words));
        // `trust` exits with 2, because there is no host whose key it could record.
        let fine = if words[0] == "trust" { 2..=2 } else { 0..=1 };
        assert!(fine.contains(&by_root.code), "{words:?}: {by_root:?}");
        if !matches!(words[0], "pause" | "resume" | "reset" | "init" | "trust" | "doctor" | "sweep")
        {
            assert_eq!(without_ages(by_root), without_ages(by_nagios), "{words:?}");
        }
    }
    let as_sudo = site.ctl_with(None, &["pause", "--reason", "x"], &[("SUDO_USER", "alice")]);
    assert!(as_sudo.out.contains("paused by alice"), "{as_sudo:?}");
}

/// Returns the fingerprint of the host's key as ssh-keygen(1) prints it.
fn fingerprint(site: &Site, web: &WebSide) -> String {
    let key = site.place.file("etc/host.pub", &web.host_key("ed25519"), 0o644, None);
    e2e::run(Command::new("ssh-keygen").arg("-lf").arg(key)).split(' ').nth(1).unwrap().to_owned()
}

/// A process that has given up root is not dumpable, so access to its files in /proc is restricted.
/// The ssh program must still be able to write its log to /proc/self/fd.
#[test]
fn doctor_as_root_logs_in_by_either_transport() {
    let site = Site::new();
    let web = WebSide::start(&site.place);
    let key = site.place.at("etc/id_ed25519");
    fs::copy(web.key(), &key).unwrap();
    // Remove this public key, because ssh would offer it although it belongs to another private
    // key.
    fs::remove_file(key.with_added_extension("pub")).unwrap();
    let port = web.sshd.port;
    site.place.file(
        "etc/known_hosts",
        &format!("[web1]:{port} {}\n", web.host_key("ed25519")),
        0o644,
        None,
    );
    for transport in ["ssh2", "openssh"] {
        site.change_policy(|policy| {
            policy["ssh"]["port"] = json!(port);
            policy["ssh"]["user"] = json!(web.account.name);
            policy["ssh"]["transport"] = json!(transport);
        });
        let doctor = site.ctl(None, &["doctor", "web1"]);
        assert!(
            doctor.out.contains(&format!("ok    login         {}@web1", web.account.name)),
            "{transport}: {doctor:?}"
        );
    }
}

/// lint runs as Nagios' user, so it cannot enter a directory that only root can enter. If root runs
/// lint in such a directory, the error must say that only absolute paths work there.
#[test]
fn explains_relative_path_in_closed_directory() {
    let site = Site::new();
    let closed = site.place.directory("closed", None);
    fs::copy(&site.cfg, closed.join("nagios.cfg")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mut lint = Command::new(&site.ctl);
    let done = lint
        .args(["--policy", site.policy.to_str().unwrap(), "lint", "nagios.cfg"])
        .current_dir(&closed)
        .output()
        .unwrap();
    let text = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    assert!(
        text.contains("cannot be read: No such file") && text.contains("use absolute paths"),
        "{text}"
    );
}

/// The process that stays root must decide what to pause, no matter where the options are on the
/// command line.
#[test]
fn pause_as_root_uses_target_of_root_process() {
    let site = Site::new();
    let paused = site.ctl(None, &["pause", "--reason", "x", "--", "web1"]);
    assert!(paused.code == 0 && paused.out.starts_with("web1: paused by "), "{paused:?}");
    let status = site.ctl(Some(&site.nagios), &["status"]);
    assert!(status.out.contains("paused\tweb1: paused by "), "{status:?}");
}

/// The unprivileged process must fetch the key from the network, and the process that stays root
/// must write the file.
#[test]
fn trust_as_root_writes_roots_known_hosts() {
    let site = Site::new();
    let web = WebSide::start(&site.place);
    site.change_policy(|policy| policy["ssh"]["port"] = json!(web.sshd.port));
    let (key, print) = (web.host_key("ed25519"), fingerprint(&site, &web));
    let words = ["trust", "web1", "--fingerprint", &print];
    let by_nagios = site.ctl(Some(&site.nagios), &words);
    assert!(
        by_nagios.code == 3 && by_nagios.err.contains("run the command as root"),
        "{by_nagios:?}"
    );
    let by_root = site.ctl(None, &words);
    assert!(by_root.code == 0 && by_root.out.contains("Recorded the key in "), "{by_root:?}");
    let file = site.place.at("etc/known_hosts");
    assert_eq!(
        fs::read_to_string(&file).unwrap().trim_end(),
        format!("[web1]:{} {key}", web.sshd.port)
    );
    assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
}

/// If root starts a sweep, its repairs must run as Nagios' user.
#[test]
fn sweep_as_root_repairs_as_nagios() {
    let site = Site::new();
    site.fault();
    let swept = site.ctl(None, &["sweep"]);
    assert!(swept.code == 0 && swept.out.contains("healed"), "{swept:?}");
    assert_eq!(fs::metadata(&site.mark).unwrap().uid(), site.nagios.uid, "{swept:?}");
}

/// handle_repair must print a command for root, and this command must work when it is pasted.
#[test]
fn handle_repair_as_root_only_prints_command_for_nagios() {
    let site = Site::new();
    site.fault();
    for more in ["", " --foreground", " --dry-run"] {
        let words = format!("{FAULT}{more} --policy {}", site.policy.display());
        let done = Command::new(&site.handler).args(words.split(' ')).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.code() == Some(3) && !site.mark.exists(), "{text}");
        let line = text.split("as root: ").nth(1).unwrap().to_owned();
        assert!(
            line.starts_with(&format!("runuser -u nagios -- {} ", site.handler.display())),
            "{line}"
        );
        if more == " --foreground" {
            let pasted = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
            let text = String::from_utf8(pasted.stdout).unwrap();
            assert!(text.starts_with("REPAIRED web1/HTTP"), "{text}");
            assert_eq!(fs::metadata(&site.mark).unwrap().uid(), site.nagios.uid);
            fs::remove_file(&site.mark).unwrap();
        }
    }
}
