//! Helpers for the tests of several crates. They have no dependencies, so they cost no build time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod random;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use random::Random;

/// Returns a loopback port that no other test gets: below those that the kernel assigns by itself
/// (ip(7), ip_local_port_range), and each process begins with another one.
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

/// The limit for everything that a test waits for: a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `ready`, and fails with `what` after a minute.
#[track_caller]
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < LIMIT, "waited a minute: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the process ends, and kills it after `limit`. Its pipes have to hold its output.
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

/// Sets the mode of a file or a directory.
#[track_caller]
pub fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Copies a program to where another user can start it, by a process of its own: what this one has
/// open for writing, a fork of another test holds as well, and then the copy is busy (ETXTBSY).
#[track_caller]
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let mut copy = Command::new("cp");
    copy.arg("--remove-destination").arg(from.as_ref()).arg(to.as_ref());
    assert!(copy.status().unwrap().success(), "{copy:?}");
}
