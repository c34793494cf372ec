//! Tests that reading stops at the end of the content, at the size limit or at the deadline.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl};
use safe_file::{Error, Input, read};

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(200))
}

fn named(descriptor: &impl AsRawFd) -> [String; 2] {
    ["/dev/fd", "/proc/self/fd"].map(|directory| format!("{directory}/{}", descriptor.as_raw_fd()))
}

#[test]
fn refuses_content_above_limit_without_truncating_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(b"12345").unwrap();
    assert_eq!(read(file.path(), 5, None).unwrap(), b"12345");
    assert!(matches!(read(file.path(), 4, None).unwrap_err(), Error::TooLarge { limit: 4, .. }));
    file.as_file().set_len(1 << 40).unwrap();
    assert_eq!(read(file.path(), 1 << 30, None).unwrap_err().kind(), ErrorKind::FileTooLarge);
}

#[test]
fn reads_files_in_proc_that_report_no_size() {
    assert!(read("/proc/self/status", 1 << 20, None).unwrap().starts_with(b"Name:"));
    assert!(matches!(read("/proc/self/status", 9, None).unwrap_err(), Error::TooLarge { .. }));
}

#[test]
fn reads_inherited_pipe_and_keeps_its_flags() {
    let (ours, mut theirs) = io::pipe().unwrap();
    for path in named(&ours) {
        theirs.write_all(b"content").unwrap();
        let mut input = Input::open(path, 100, soon()).unwrap();
        let mut text = [0; 7];
        input.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"content");
        assert!(!fcntl_getfl(&ours).unwrap().contains(OFlags::NONBLOCK));
    }
    let writer = thread::spawn(move || {
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(20));
            theirs.write_all(b"late ").unwrap();
        }
    });
    let [path, _] = named(&ours);
    assert_eq!(
        read(path, 100, Some(Instant::now() + Duration::from_secs(20))).unwrap(),
        b"late late late "
    );
    writer.join().unwrap();
}

#[test]
fn stops_reading_silent_pipe_at_deadline() {
    let (ours, _theirs) = io::pipe().unwrap();
    let [path, _] = named(&ours);
    let (begin, late) = (Instant::now(), read(path, 100, soon()).unwrap_err());
    assert!(matches!(late, Error::Late { .. }), "{late:?}");
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    assert!(
        begin.elapsed() >= Duration::from_millis(200) && begin.elapsed() < Duration::from_secs(5)
    );
}

#[test]
fn stops_reading_endless_pipe_at_limit_or_deadline() {
    for (limit, expected) in [(1 << 16, ErrorKind::FileTooLarge), (u64::MAX, ErrorKind::TimedOut)] {
        let (ours, mut theirs) = io::pipe().unwrap();
        let writer = thread::spawn(move || while theirs.write_all(b"endless").is_ok() {});
        let [path, _] = named(&ours);
        assert_eq!(read(path, limit, soon()).unwrap_err().kind(), expected);
        drop(ours);
        writer.join().unwrap();
    }
}

#[test]
fn accepts_any_descriptor_except_directory() {
    let zero = File::open("/dev/zero").unwrap();
    let directory = File::open("/").unwrap();
    let file = tempfile::tempfile().unwrap();
    (&file).write_all(b"content").unwrap();
    for (endless, (directory, file)) in
        named(&zero).into_iter().zip(named(&directory).into_iter().zip(named(&file)))
    {
        assert_eq!(read(endless, 1 << 20, None).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(directory, 100, None).unwrap_err().kind(), ErrorKind::IsADirectory);
        // The descriptor is opened again, so reading starts at the beginning of the file.
        assert_eq!(read(file, 100, None).unwrap(), b"content");
    }
    assert_eq!(read("/dev/fd/99999", 100, None).unwrap_err().kind(), ErrorKind::NotFound);
}
