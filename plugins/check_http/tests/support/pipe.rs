//! Pipes as shells make them: standard input and process substitutions.
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::fd::AsRawFd;
use std::thread;

use rustix::io::{FdFlags, fcntl_setfd};

/// What the other end of a pipe does.
#[derive(Clone, Copy)]
pub enum Other<'a> {
    Silent,
    Endless,
    Says(&'a str),
}

/// A pipe, and its other end if that stays open.
pub fn pipe_from(other: Other<'_>) -> (PipeReader, Option<PipeWriter>) {
    let (reader, mut writer) = pipe().unwrap();
    match other {
        Other::Silent => return (reader, Some(writer)),
        Other::Endless => {
            drop(thread::spawn(move || while writer.write_all(&[b'y'; 4096]).is_ok() {}))
        }
        Other::Says(text) => {
            let text = text.to_owned();
            thread::spawn(move || writer.write_all(text.as_bytes()));
        }
    }
    (reader, None)
}

/// The name of a pipe that every child inherits, like `<(...)` of a shell.
pub fn substitution(reader: &PipeReader) -> String {
    fcntl_setfd(reader, FdFlags::empty()).unwrap();
    format!("/dev/fd/{}", reader.as_raw_fd())
}
