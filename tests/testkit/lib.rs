//! Test helpers that several crates share. The crate has no dependencies, so it builds quickly.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

pub mod nagios_log;
mod postgres;
mod random;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use postgres::{Postgres, certificates};
pub use random::Random;

/// Returns a free loopback port that no other test is likely to use.
///
/// The port is below the range from which the kernel assigns ports (ip(7), ip_local_port_range).
/// The search starts at a number that is derived from the process ID, so parallel test processes
/// use different ports.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let port =
            10_000 + (std::process::id() * 61 + NEXT.fetch_add(1, Ordering::Relaxed)) % 22_000;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Time limit for each wait in a test. It is long because the machine may be busy.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `ready` returns true. If it does not do so within a minute, panics with a message
/// that contains `what`.
#[track_caller]
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < LIMIT, "waited a minute: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the process exits and returns its output. Kills the process after `limit`.
///
/// The output is read only after the exit, so it must fit into the pipes.
pub fn output_within(mut child: Child, limit: Duration) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > limit {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Sets the permissions of a file or directory, for example 0o755.
#[track_caller]
pub fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Copies a program to a place where another user can run it.
///
/// A child process does the copying. If this process wrote the file, the child of another test
/// could inherit the open descriptor, and running the copy would fail with ETXTBSY.
#[track_caller]
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let mut copy = Command::new("cp");
    copy.arg("--remove-destination").arg(from.as_ref()).arg(to.as_ref());
    assert!(copy.status().unwrap().success(), "{copy:?}");
}
