//! A daemon of the lab, on the leash of `lab_init`.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, ffi};

/// A running program. It ends with this value, and everything it started with it.
#[derive(Debug)]
pub struct Daemon {
    init: Child,
}

impl Daemon {
    /// Starts a program, its output going to `log`.
    pub fn start<A: AsRef<ffi::OsStr>>(log: &Path, program: &Path, arguments: &[A]) -> Daemon {
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log file of the lab");
        let init = Command::new(init_program())
            .arg(program)
            .args(arguments)
            .current_dir("/")
            // Ctrl-C is for us alone: it must not end the init before what it holds.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second descriptor of the log"))
            .stderr(log)
            .spawn()
            .expect("lab_init starts");
        Daemon { init }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Closing its input is the word to end.
        drop(self.init.stdin.take());
        let _ = self.init.wait();
    }
}

/// Beside this program (a binary) or one directory up (a test, which cargo puts into `deps`).
fn init_program() -> std::path::PathBuf {
    let us = env::current_exe().expect("our own path");
    us.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join("lab_init"))
        .find(|path| path.exists())
        .expect("lab_init is built with this package")
}
