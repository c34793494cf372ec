//! Runs the real binary as sshd does. These tests need root, because the gate trusts only files
//! that root owns.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking, and print logs"
)]

#[path = "../common/mod.rs"]
mod common;

mod jobs;
mod limits;
mod local;
mod ownership;
mod races;
mod records;
mod requests;
mod shipped;
mod stream;
