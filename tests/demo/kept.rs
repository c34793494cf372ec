//! Tests `KEEP=1 make demo` without a terminal. The lab must keep running, the printed commands
//! must work, and SIGTERM must end the demo cleanly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::until;

const MINUTE: Duration = Duration::from_secs(60);

/// A running demo. Dropping this value ends it.
struct Demo(Child);

impl Demo {
    fn end(&mut self) -> bool {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        self.0.wait().unwrap().success()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.0.try_wait().unwrap().is_none() {
            self.end();
        }
    }
}

#[test]
fn kept_lab_runs_without_terminal_and_its_commands_work() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.arg("--keep").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut demo = Demo(demo.spawn().unwrap());
    let mut screen = BufReader::new(demo.0.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.lines().last().unwrap_or_default().contains("sshd.log") {
        assert_ne!(screen.read_line(&mut shown).unwrap(), 0, "the demo ended:\n{shown}");
    }
    assert!(shown.contains("Healed 3 of 3. Notifications by Nagios: 0."), "{shown}");
    let end = format!("keeps running until you type: kill {}\n", demo.0.id());
    let (_, text) = shown.split_once(&end).unwrap_or_else(|| panic!("{shown}"));
    let (definitions, commands) = text.split_once("\nThen:\n").unwrap();
    let (_, definitions) = definitions.split_once('\n').unwrap();
    let commands: Vec<&str> =
        commands.lines().filter_map(|line| Some(line.split_once(": ")?.1.trim())).collect();

    let shell = |command: &str| {
        let script = format!("{definitions}\n{command}");
        Command::new("/bin/sh").args(["-euc", &script]).output().unwrap()
    };
    let count = |start: &str| commands.iter().filter(|command| command.starts_with(start)).count();
    assert_eq!((count("repairctl "), count("tail -f "), commands.len()), (9, 2, 13), "{shown}");
    for command in &commands {
        // `tail -f` would never exit. Check that the log has lines instead.
        let command = command.replace("tail -f", "grep -q .");
        // Retry, because the status file may not show yet that Apache is running again.
        until(&command, MINUTE, || shell(&command).status.success().then_some(()));
    }
    // One of the commands has killed Apache. Nagios must repair it, as in the three rounds before.
    until("the fourth repair", MINUTE, || {
        let history = shell("repairctl history").stdout;
        (String::from_utf8_lossy(&history).matches("\thealed\t").count() == 4).then_some(())
    });
    assert!(demo.0.try_wait().unwrap().is_none(), "the demo ended by itself");
    assert!(demo.end());
    assert!(!shell("test -e $lab").status.success(), "the lab is still there");
}
