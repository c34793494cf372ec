//! Daemons in the lab. Each runs as a child of `lab_init`, which kills it when the test ends.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, ffi};

use rustix::process::Pid;

/// A running program. Dropping this value kills the program and all its descendants.
#[derive(Debug)]
pub struct Daemon {
    init: Child,
}

impl Daemon {
    /// Starts a program and appends its output to `log`.
    pub fn start<A: AsRef<ffi::OsStr>>(log: &Path, program: &Path, arguments: &[A]) -> Daemon {
        let log =
            OpenOptions::new().create(true).append(true).open(log).expect("a log file of the lab");
        let init = Command::new(init_program())
            .arg(program)
            .args(arguments)
            .current_dir("/")
            // Ctrl-C must reach only the test, so that lab_init survives to stop the daemon.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second descriptor of the log"))
            .stderr(log)
            .spawn()
            .expect("lab_init starts");
        Daemon { init }
    }
}

impl Daemon {
    /// Returns the process ID of the program, or `None` if it has exited.
    pub fn program(&self) -> Option<Pid> {
        children(self.init.id()).into_iter().find_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
    }

    /// Returns the processes with this name that the program has started. Does not include the
    /// program itself, or processes whose parents have died.
    pub fn descendants_named(&self, name: &str) -> Vec<Pid> {
        children(self.init.id())
            .into_iter()
            .flat_map(|program| named(children(program), name))
            .collect()
    }

    /// Returns all processes with this name, including the program and processes whose parents have
    /// died.
    pub fn processes_named(&self, name: &str) -> Vec<Pid> {
        named(children(self.init.id()), name)
    }
}

/// Returns every process with this name that is in `found` or descends from a process in `found`.
fn named(mut found: Vec<u32>, name: &str) -> Vec<Pid> {
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children(pid));
        next += 1;
    }
    let is_it = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    found
        .into_iter()
        .filter(is_it)
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

fn children(parent: u32) -> Vec<u32> {
    let list =
        fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // lab_init exits when its standard input is closed.
        drop(self.init.stdin.take());
        let _ = self.init.wait();
    }
}

/// Returns the path of lab_init, which is in the directory of the running binary. For a test, it is
/// one directory up, because cargo puts test binaries into `deps`.
fn init_program() -> std::path::PathBuf {
    let us = env::current_exe().expect("our own path");
    us.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join("lab_init"))
        .find(|path| path.exists())
        .expect("lab_init is built with this package")
}
