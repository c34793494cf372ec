//! Pipes like those that a shell creates for standard input and process substitutions.
#![allow(dead_code, reason = "no test program uses all of it")]

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::fd::AsRawFd;
use std::thread;

use rustix::io::{FdFlags, fcntl_setfd};

/// The behaviour of the writing end of a pipe.
#[derive(Clone, Copy)]
pub enum WritingEnd<'a> {
    Silent,
    Endless,
    Writes(&'a str),
}

/// Returns the read end of a pipe, and also its write end if the caller has to keep that open.
pub fn pipe_from(end: WritingEnd<'_>) -> (PipeReader, Option<PipeWriter>) {
    let (reader, mut writer) = pipe().unwrap();
    match end {
        WritingEnd::Silent => return (reader, Some(writer)),
        WritingEnd::Endless => {
            drop(thread::spawn(move || while writer.write_all(&[b'y'; 4096]).is_ok() {}))
        }
        WritingEnd::Writes(text) => {
            let text = text.to_owned();
            thread::spawn(move || writer.write_all(text.as_bytes()));
        }
    }
    (reader, None)
}

/// Returns the path of a pipe, like `<(...)` in a shell. Every child process inherits the pipe.
pub fn substitution(reader: &PipeReader) -> String {
    fcntl_setfd(reader, FdFlags::empty()).unwrap();
    format!("/dev/fd/{}", reader.as_raw_fd())
}
