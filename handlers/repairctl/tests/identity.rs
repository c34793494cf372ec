//! `repairctl doctor` as root becomes the user Nagios runs as, in Nagios' environment. That is for
//! others to write: root must not be had by it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// As whom Nagios runs here: nobody(5) of every system.
const NAGIOS: u32 = 65534;
/// Somebody else: daemon.
const STRANGER: u32 = 1;

struct Context {
    dir: TempDir,
}

impl Context {
    fn new() -> Context {
        let site = Context { dir: tempfile::tempdir().unwrap() };
        fs::set_permissions(site.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(site.at("nagios.cfg"), "nagios_user=nobody\n").unwrap();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// By a process of its own: what this one has open for writing, the children of the other test
    /// hold as well, and then the program is "busy" (ETXTBSY).
    fn copy(&self, program: &str, name: &str) {
        assert!(
            Command::new("cp")
                .arg("--remove-destination")
                .arg(program)
                .arg(self.at(name))
                .status()
                .unwrap()
                .success()
        );
    }

    /// A process that looks like Nagios, of this user, with this environment.
    fn nagios(&self, uid: u32, environment: &[(&str, &str)]) -> Running {
        self.copy("/usr/bin/tail", "nagios");
        let mut command = Command::new(self.at("nagios"));
        command
            .arg("-f")
            .arg(self.at("nagios.cfg"))
            .env_clear()
            .envs(environment.iter().copied())
            .uid(uid)
            .gid(uid);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (begun, comm) = (Instant::now(), format!("/proc/{}/comm", child.id()));
        while fs::read_to_string(&comm).unwrap() != "nagios\n" {
            assert!(begun.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(10));
        }
        Running(child)
    }

    /// What doctor says of its user, in JSON.
    fn user(&self) -> String {
        // Where that user can start it.
        self.copy(env!("CARGO_BIN_EXE_repairctl"), "repairctl");
        let mut command = Command::new(self.at("repairctl"));
        command
            .args(["doctor", "--json", "--policy", "/nonexistent", "--nagios-cfg"])
            .arg(self.at("nagios.cfg"));
        let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == "user").unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_has_the_environment_of_nagios_and_of_nobody_who_only_bears_its_name() {
    let site = Context::new();
    let stranger = site.nagios(STRANGER, &[("HOME", "/of/a/stranger")]);
    let user = site.user();
    assert!(user.starts_with("nobody, with HOME=/root"), "{user}");
    drop(stranger);
    let _nagios = site.nagios(NAGIOS, &[("HOME", "/of/nagios")]);
    let user = site.user();
    assert!(user.starts_with("nobody, with HOME=/of/nagios"), "{user}");
}

/// With LD_DEBUG the loader writes a file for each program that is started, as the user it is
/// started by (ld.so(8)).
#[test]
fn what_the_environment_of_nagios_loads_is_never_loaded_by_root() {
    let site = Context::new();
    let traces = site.at("traces");
    fs::create_dir(&traces).unwrap();
    fs::set_permissions(&traces, fs::Permissions::from_mode(0o777)).unwrap();
    let output = traces.join("of");
    let _nagios = site
        .nagios(NAGIOS, &[("LD_DEBUG", "files"), ("LD_DEBUG_OUTPUT", output.to_str().unwrap())]);
    site.user();
    let owners: Vec<u32> = fs::read_dir(&traces)
        .unwrap()
        .map(|trace| trace.unwrap().metadata().unwrap().uid())
        .collect();
    assert!(!owners.is_empty() && owners.iter().all(|owner| *owner == NAGIOS), "{owners:?}");
}
