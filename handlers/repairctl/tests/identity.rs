//! Tests how `repairctl doctor` switches from root to the user Nagios runs as, and how it adopts
//! Nagios' environment. That environment can be hostile, so no process may use it as root.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{copy_program, set_mode, wait_until};

/// UID of the user Nagios runs as in these tests: nobody.
const NAGIOS: u32 = 65534;
/// UID of an unrelated user: daemon.
const STRANGER: u32 = 1;

struct Context {
    dir: TempDir,
}

impl Context {
    fn new() -> Context {
        let site = Context { dir: tempfile::tempdir().unwrap() };
        set_mode(site.dir.path(), 0o755);
        fs::write(site.at("nagios.cfg"), "nagios_user=nobody\n").unwrap();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a process named nagios with this user and environment.
    fn nagios(&self, uid: u32, environment: &[(&str, &str)]) -> Running {
        copy_program("/usr/bin/tail", self.at("nagios"));
        let mut command = Command::new(self.at("nagios"));
        command
            .arg("-f")
            .arg(self.at("nagios.cfg"))
            .env_clear()
            .envs(environment.iter().copied())
            .uid(uid)
            .gid(uid);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        wait_until("nagios", || fs::read_to_string(&comm).unwrap() == "nagios\n");
        Running(child)
    }

    /// Runs doctor as root, and returns the text of the check called `user`.
    fn user(&self) -> String {
        // Copy the program to a place where Nagios' user can start it.
        copy_program(env!("CARGO_BIN_EXE_repairctl"), self.at("repairctl"));
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
fn uses_the_environment_of_nagios_and_not_of_other_users_processes() {
    let site = Context::new();
    let stranger = site.nagios(STRANGER, &[("HOME", "/of/a/stranger")]);
    let user = site.user();
    assert!(user.starts_with("nobody, with HOME=/root"), "{user}");
    drop(stranger);
    let _nagios = site.nagios(NAGIOS, &[("HOME", "/of/nagios")]);
    let user = site.user();
    assert!(user.starts_with("nobody, with HOME=/of/nagios"), "{user}");
}

/// No process that runs as root may inherit Nagios' environment. The test sets LD_DEBUG_OUTPUT in
/// that environment, so the dynamic loader writes a file for every process that inherits it
/// (ld.so(8)). The file's owner shows which user the process ran as.
#[test]
fn root_does_not_adopt_the_environment_of_nagios() {
    let site = Context::new();
    let traces = site.at("traces");
    fs::create_dir(&traces).unwrap();
    set_mode(&traces, 0o777);
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
