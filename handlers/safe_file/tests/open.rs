//! Tests which files are opened and which are refused. Neither opening nor refusing may block.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use safe_file::{Directory, Error, FileKind, Writer, open, open_fifo_for_writing, read, resolve};
use tempfile::{TempDir, tempdir};
use testkit::set_mode;

fn fifo(path: &Path) {
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
}

fn reader_of(path: &Path) -> rustix::fd::OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap()
}

/// Creates `at/link`, which points to a file in another directory. Returns that directory.
fn link_in(at: &Path) -> TempDir {
    let elsewhere = tempdir().unwrap();
    fs::write(elsewhere.path().join("file"), "content").unwrap();
    symlink(elsewhere.path().join("file"), at.join("link")).unwrap();
    elsewhere
}

#[test]
fn rejects_other_kinds_of_files_without_blocking() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fifo(&path("fifo"));
    fs::create_dir(path("directory")).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    symlink(path("fifo"), path("link")).unwrap();
    for (path, kind) in [
        (path("fifo"), FileKind::Pipe),
        (path("link"), FileKind::Pipe),
        (path("directory"), FileKind::Directory),
        (path("socket"), FileKind::Socket),
        ("/dev/zero".into(), FileKind::Device),
        ("/".into(), FileKind::Directory),
    ] {
        let refused = open(&path).unwrap_err();
        assert!(matches!(refused, Error::Kind { found, .. } if found == kind), "{refused:?}");
        assert!(
            refused.to_string().ends_with(&format!(" is {kind}, not a regular file")),
            "{refused}"
        );
    }
    assert_eq!(read("/dev/null", 0, None).unwrap(), b"");
}

#[test]
fn preserves_kind_of_system_errors() {
    let dir = tempdir().unwrap();
    assert_eq!(open(dir.path().join("missing")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(open("").unwrap_err().kind(), ErrorKind::NotFound);
    fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(open(dir.path().join("file/below")).unwrap_err().kind(), ErrorKind::NotADirectory);
    symlink("loop", dir.path().join("loop")).unwrap();
    assert!(open(dir.path().join("loop")).unwrap_err().to_string().contains("Too many levels"));
    symlink("gone/away", dir.path().join("broken")).unwrap();
    let broken = open(dir.path().join("broken")).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::NotFound);
    assert!(broken.to_string().contains("/gone: "), "{broken}");
}

#[test]
fn follows_links_that_only_we_can_replace() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // Certbot, the Let's Encrypt client, creates links like these.
    fs::create_dir_all(path("archive/example.org")).unwrap();
    fs::create_dir_all(path("live/example.org")).unwrap();
    fs::write(path("archive/example.org/cert1.pem"), "content").unwrap();
    symlink("../../archive/example.org/cert1.pem", path("live/example.org/cert.pem")).unwrap();
    symlink(path("live"), path("absolute")).unwrap();
    for name in [
        "live/example.org/cert.pem",
        "absolute/example.org/cert.pem",
        "absolute/../live/example.org/./cert.pem",
    ] {
        assert_eq!(read(path(name), 100, None).unwrap(), b"content", "{name}");
    }
    let behind = resolve(path("absolute/example.org/cert.pem")).unwrap();
    assert_eq!(
        fs::canonicalize(behind).unwrap(),
        fs::canonicalize(path("archive/example.org/cert1.pem")).unwrap()
    );
    let relative = Path::new(&"../".repeat(50))
        .join(path("absolute/example.org/cert.pem").strip_prefix("/").unwrap());
    assert_eq!(read(relative, 100, None).unwrap(), b"content");
}

#[test]
fn follows_links_in_proc_to_open_files() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"content").unwrap();
    let path = |number: i32| format!("/proc/{}/fd/{number}", std::process::id());
    assert_eq!(read(path(file.as_raw_fd()), 100, None).unwrap(), b"content");
    let refused = open(path(reader.as_raw_fd())).unwrap_err();
    assert!(matches!(refused, Error::Kind { found: FileKind::Pipe, .. }), "{refused:?}");
    // To follow a link in /proc to an open directory, `safe_file` uses the directory's path. This
    // fails if the directory was removed.
    let directory = fs::File::open("/").unwrap();
    assert!(Directory::open(path(directory.as_raw_fd())).is_ok());
    let gone = tempdir().unwrap();
    let directory = fs::File::open(gone.path()).unwrap();
    drop(gone);
    assert_eq!(
        Directory::open(path(directory.as_raw_fd())).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
#[ignore = "needs: root"]
fn rejects_link_in_directory_of_another_account() {
    let dir = tempdir().unwrap();
    let _elsewhere = link_in(dir.path());
    chown(dir.path(), Some(65534), None).unwrap();
    let refused = open(dir.path().join("link")).unwrap_err();
    assert!(matches!(refused, Error::Link { writer: Writer::Owner(65534), .. }), "{refused:?}");
}

#[test]
fn rejects_link_in_shared_directory_even_if_sticky() {
    for (bits, everybody) in [(0o1777, true), (0o777, true), (0o702, true), (0o770, false)] {
        let dir = tempdir().unwrap();
        let _elsewhere = link_in(dir.path());
        fs::create_dir(dir.path().join("below")).unwrap();
        set_mode(dir.path(), bits);
        for name in ["link", "below/../link"] {
            let refused = open(dir.path().join(name)).unwrap_err();
            let Error::Link { writer, .. } = refused else { panic!("{bits:o} {refused:?}") };
            assert_eq!(writer == Writer::Everybody, everybody, "{bits:o} {refused:?}");
            assert!(
                refused.to_string().contains("/link is a symbolic link in a directory that "),
                "{refused}"
            );
        }
        fs::write(dir.path().join("file"), "content").unwrap();
        assert_eq!(read(dir.path().join("file"), 100, None).unwrap(), b"content");
    }
}

#[test]
fn opens_pipe_for_writing_only_if_it_has_a_reader() {
    let dir = tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert_eq!(open_fifo_for_writing(&pipe).unwrap_err().kind(), ErrorKind::NotFound);
    fifo(&pipe);
    let nobody = open_fifo_for_writing(&pipe).unwrap_err();
    assert!(matches!(nobody, Error::NoReader { .. }), "{nobody:?}");
    let reader = reader_of(&pipe);
    open_fifo_for_writing(&pipe).unwrap().write_all(b"[0] X\n").unwrap();
    let mut text = [0; 6];
    fs::File::from(reader).read_exact(&mut text).unwrap();
    assert_eq!(&text, b"[0] X\n");
}

#[test]
fn opens_only_pipes_for_writing() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fifo(&path("pipe"));
    let _reader = reader_of(&path("pipe"));
    symlink("pipe", path("link")).unwrap();
    fs::write(path("file"), "content").unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    for (name, kind) in [
        ("link", FileKind::Link),
        ("file", FileKind::File),
        ("socket", FileKind::Socket),
        (".", FileKind::Directory),
    ] {
        let refused = open_fifo_for_writing(path(name)).unwrap_err();
        assert!(matches!(refused, Error::Kind { found, .. } if found == kind), "{refused:?}");
        assert!(
            refused.to_string().ends_with(&format!(" is {kind}, not a named pipe")),
            "{refused}"
        );
    }
    assert_eq!(fs::read(path("file")).unwrap(), b"content");
}

/// Plays an attacker who keeps replacing the command file: with a pipe that has a reader, with a
/// symbolic link to a secret file, or with a hard link to that file.
#[test]
fn never_writes_to_file_that_replaces_the_pipe() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("secret"), "secret").unwrap();
    set_mode(path("secret"), 0o600);
    fifo(&path("pipe"));
    let _reader = reader_of(&path("pipe"));
    let begin = Instant::now();
    let mut written = 0;
    thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            for turn in (0..3).cycle().take(15_000) {
                match turn {
                    0 => fs::hard_link(path("pipe"), path("next")).unwrap(),
                    1 => symlink("secret", path("next")).unwrap(),
                    _ => fs::hard_link(path("secret"), path("next")).unwrap(),
                }
                fs::rename(path("next"), path("command")).unwrap();
            }
        });
        while !swapper.is_finished() {
            if let Ok(mut pipe) = open_fifo_for_writing(path("command")) {
                // Nobody reads the pipe, so it fills up. Ignore the error that follows.
                let _ = pipe.write(b"[0] X\n");
                written += 1;
            }
        }
    });
    assert_eq!(fs::read(path("secret")).unwrap(), b"secret");
    assert!(written > 100, "only {written} attempts found the pipe");
    assert!(begin.elapsed() < Duration::from_secs(60));
}
