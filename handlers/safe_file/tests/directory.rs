//! Tests that `Directory` accepts only directories that other accounts cannot change, and that no
//! operation reaches outside the directory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, chown, symlink};

use std::time::{Duration, Instant};

use safe_file::{Directory, Error, FileKind};
use tempfile::tempdir;
use testkit::set_mode;

#[test]
fn creates_renames_and_removes_files() {
    let dir = tempdir().unwrap();
    let ours = Directory::open(dir.path()).unwrap();
    assert_eq!(ours.metadata("file").unwrap_err().kind(), ErrorKind::NotFound);
    ours.create_new("draft", 0o640).unwrap().write_all(b"content").unwrap();
    ours.rename("draft", "file").unwrap();
    assert_eq!(ours.metadata("file").unwrap().mode() & 0o7777, 0o640);
    let mut text = String::new();
    ours.open_file("file").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
    assert_eq!(ours.create_new("file", 0o600).unwrap_err().kind(), ErrorKind::AlreadyExists);
    ours.remove("file").unwrap();
    assert_eq!(ours.open_file("file").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ours.create_dir("below", 0o755).unwrap().path(), dir.path().join("below"));
    assert_eq!(ours.metadata("below").unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn replaces_file_atomically_and_reads_it_up_to_limit() {
    let dir = tempdir().unwrap();
    let ours = Directory::open(dir.path()).unwrap();
    ours.replace("file", b"one", 0o600, None).unwrap();
    ours.replace("file", b"two", 0o644, None).unwrap();
    assert_eq!(ours.metadata("file").unwrap().mode() & 0o7777, 0o644);
    assert_eq!(ours.read("file", 3).unwrap(), b"two");
    assert!(matches!(ours.read("file", 2).unwrap_err(), Error::TooLarge { limit: 2, .. }));
    assert_eq!(
        ours.write_new("file", b"three", 0o600, None).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn stops_waiting_for_lock_at_deadline() {
    let dir = tempdir().unwrap();
    let ours = Directory::open(dir.path()).unwrap();
    let held = ours.lock(Instant::now()).unwrap();
    let soon = Instant::now() + Duration::from_millis(50);
    assert!(matches!(ours.lock(soon).unwrap_err(), Error::Locked { .. }));
    drop(held);
    ours.lock(soon).unwrap();
    let held = ours.lock_file("lock", Instant::now()).unwrap();
    assert_eq!(held.metadata().unwrap().mode() & 0o777, 0o600);
    assert!(matches!(ours.lock_file("lock", soon).unwrap_err(), Error::Locked { .. }));
    drop(held);
    ours.lock_file("lock", soon).unwrap();
}

#[test]
fn follows_no_link_in_directory() {
    let (dir, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    fs::write(elsewhere.path().join("file"), "content").unwrap();
    symlink(elsewhere.path(), dir.path().join("directory")).unwrap();
    symlink(elsewhere.path().join("file"), dir.path().join("file")).unwrap();
    symlink(elsewhere.path().join("new"), dir.path().join("new")).unwrap();
    let ours = Directory::open(dir.path()).unwrap();
    assert!(ours.metadata("file").unwrap().is_symlink());
    assert!(matches!(
        ours.open_file("file").unwrap_err(),
        Error::Kind { found: FileKind::Link, .. }
    ));
    assert_eq!(ours.create_new("new", 0o600).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(ours.create_dir("new", 0o700).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(ours.lock_file("new", Instant::now()).is_err());
    ours.remove("file").unwrap();
    assert_eq!(fs::read(elsewhere.path().join("file")).unwrap(), b"content");
}

#[test]
fn rejects_names_outside_of_directory() {
    let dir = tempdir().unwrap();
    let ours = Directory::open(dir.path()).unwrap();
    for name in ["", ".", "..", "/", "a/b", "a/", "/etc", "./a"] {
        assert_eq!(ours.metadata(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        assert_eq!(
            ours.create_new(name, 0o600).unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{name}"
        );
    }
}

#[test]
fn keeps_using_opened_directory_after_its_path_is_replaced() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("ours")).unwrap();
    fs::create_dir(path("theirs")).unwrap();
    let ours = Directory::open(path("ours")).unwrap();
    fs::rename(path("ours"), path("moved")).unwrap();
    symlink("theirs", path("ours")).unwrap();
    ours.create_new("file", 0o600).unwrap();
    assert!(path("moved/file").exists() && !path("theirs/file").exists());
}

#[test]
fn rejects_directories_that_others_can_write() {
    for (bits, below) in
        [(0o777, false), (0o770, false), (0o1777, false), (0o777, true), (0o770, true)]
    {
        let dir = tempdir().unwrap();
        let exposed = dir.path().join("exposed");
        fs::create_dir_all(exposed.join("below")).unwrap();
        set_mode(&exposed, bits);
        let refused = Directory::open(if below { exposed.join("below") } else { exposed.clone() })
            .unwrap_err();
        let Error::Exposed { path, mode, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!((path, *mode), (&exposed, bits), "{refused:?}");
        assert!(refused.to_string().contains(&format!("mode {bits:04o}")), "{refused}");
    }
}

#[test]
fn allows_path_through_sticky_directory_but_no_link_in_it() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("ours")).unwrap();
    symlink("ours", dir.path().join("link")).unwrap();
    assert_eq!(Directory::open(dir.path().join("link")).unwrap().path(), dir.path().join("link"));
    set_mode(dir.path(), 0o1777);
    Directory::open(dir.path().join("ours")).unwrap();
    assert!(matches!(Directory::open(dir.path().join("link")).unwrap_err(), Error::Link { .. }));
}

#[test]
#[ignore = "needs: root"]
fn rejects_directories_of_another_account() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir_all(path("sticky/theirs/below")).unwrap();
    set_mode(path("sticky"), 0o1777);
    chown(path("sticky/theirs"), Some(65534), None).unwrap();
    for name in ["sticky/theirs", "sticky/theirs/below"] {
        let refused = Directory::open(path(name)).unwrap_err();
        let Error::Exposed { path, owner: 65534, .. } = &refused else { panic!("{refused:?}") };
        assert!(path.ends_with("theirs"), "{refused:?}");
    }
}

#[test]
fn lists_entries_and_opens_or_creates_only_regular_files() {
    let dir = tempdir().unwrap();
    let ours = Directory::open(dir.path()).unwrap();
    assert_eq!(ours.names().unwrap().count(), 0);
    ours.open_or_create("lock", 0o600).unwrap().write_all(b"kept").unwrap();
    ours.open_or_create("lock", 0o600).unwrap();
    assert_eq!(ours.read("lock", 9).unwrap(), b"kept");
    symlink("lock", dir.path().join("link")).unwrap();
    ours.create_dir("below", 0o755).unwrap();
    assert!(ours.open_or_create("link", 0o600).is_err());
    assert!(ours.open_or_create("below", 0o600).is_err());
    assert!(ours.open_or_create("../lock", 0o600).is_err());
    let mut names: Vec<_> = ours.names().unwrap().map(Result::unwrap).collect();
    names.sort();
    assert_eq!(names, ["below", "link", "lock"]);
}
