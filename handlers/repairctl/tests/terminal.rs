//! Tests the output on a terminal, which script(1) simulates.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use serde_json::json;

#[test]
fn uses_colours_only_on_terminals_that_have_them() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.json");
    fs::write(
        &policy,
        json!({"ledger": dir.path().join("ledger.sqlite"), "repairs": {}}).to_string(),
    )
    .unwrap();
    let shown = |name: &str, value: &str| {
        let command =
            format!("{} --policy {} status", env!("CARGO_BIN_EXE_repairctl"), policy.display());
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        let done =
            script.env_remove("NO_COLOR").env("TERM", "xterm").env(name, value).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let (green, enabled) = ("\u{1b}[32m", "enabled: nothing is paused");
    assert!(shown("NO_COLOR", "").contains(&format!("{green}{enabled}")));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = shown(name, value);
        assert!(text.contains(enabled) && !text.contains('\u{1b}'), "{name}={value}: {text:?}");
    }
}

#[test]
fn help_and_version_exit_with_0() {
    let mut program = repairctl::cli::command();
    program.build();
    let commands = program.get_subcommands().map(|command| vec![command.get_name(), "--help"]);
    let asked = [vec!["--help"], vec!["-h"], vec!["--version"], vec!["help"], vec!["help", "lint"]];
    for words in commands.chain(asked) {
        if words == ["help", "--help"] {
            continue;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        let done = command.args(&words).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{words:?}");
        assert!(!done.stdout.is_empty() && done.stderr.is_empty(), "{words:?}: {done:?}");
    }
}
