//! Runs `guard` in a separate process that ends in different ways. In every case, `guard` prints
//! one message to stdout and exits with a code from 0 to 3.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the path of the example program `ends`, which cargo builds together with this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    built.join("examples/ends")
}

fn run(program: &Path, how: impl Into<OsString>) -> (Option<i32>, String, String) {
    let output = Command::new(program).arg(how.into()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn prints_to_stdout_only_and_exits_with_the_right_code() {
    let ends = program();
    assert_eq!(run(&ends, "ok"), (Some(0), "fine\n".into(), String::new()));
    assert_eq!(run(&ends, "help"), (Some(3), "a|b\nc\n".into(), String::new()));
    assert_eq!(run(&ends, "usage"), (Some(3), "ends: bad / option here\n".into(), String::new()));
    assert_eq!(
        run(&ends, OsString::from_vec(b"\xff".to_vec())),
        (Some(3), "ends: the first argument is invalid: None\n".into(), String::new())
    );
    let (code, text, stderr) = run(&ends, "panic");
    assert_eq!((code, stderr.as_str()), (Some(3), ""));
    assert!(
        text.starts_with("ends: internal error, please report it: as / asked ")
            && text.lines().count() == 1,
        "{text}"
    );
}

#[test]
fn keeps_exit_code_when_stdout_is_unwritable() {
    for (how, code) in [("ok", 0), ("critical", 2), ("usage", 3), ("panic", 3)] {
        let full = Command::new(program())
            .arg(how)
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .status();
        assert_eq!(full.unwrap().code(), Some(code), "{how} to a full disk");
        let closed = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$1\" >&-"])
            .arg(program())
            .arg(how)
            .status();
        assert_eq!(closed.unwrap().code(), Some(code), "{how} to a closed stdout");
        let mut child = Command::new(program()).arg(how).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{how} to a closed pipe");
    }
}

/// Builds the example with `panic = "abort"`, as in releases. Cargo's normal test build unwinds
/// after a panic instead.
#[test]
fn panic_with_abort_exits_unknown() {
    let folder = std::env::temp_dir().join(format!("plugin-kit-guard-{}", std::process::id()));
    let mut build = Command::new(env!("CARGO"));
    build.args([
        "build",
        "--quiet",
        "--package",
        "plugin-kit",
        "--example",
        "ends",
        "--config",
        "profile.dev.panic=\"abort\"",
    ]);
    let built = build.arg("--target-dir").arg(&folder).status().unwrap();
    assert!(built.success());
    let (code, text, stderr) = run(&folder.join("debug/examples/ends"), "panic");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((code, stderr.as_str()), (Some(3), ""));
    assert!(text.starts_with("ends: internal error, please report it: as / asked "), "{text}");
}
