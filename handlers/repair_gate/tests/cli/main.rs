//! The real binary, started as sshd starts it. These tests need root, for the gate trusts only what
//! is root's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on must stop, and say where"
)]

#[path = "../common/mod.rs"]
mod common;

mod jobs;
mod limits;
mod ownership;
mod races;
mod records;
mod requests;
mod shipped;
mod stream;
