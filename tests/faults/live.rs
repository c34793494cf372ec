//! A repair in the foreground, on a real terminal. Its output must appear while it runs, and a
//! hostile host must not be able to flood the terminal or to write control characters to it.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use e2e::until;
use ledger::StepKind;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;

use crate::bed::{Bed, CALL};

const COLUMNS: u16 = 80;

/// A pseudo-terminal, and the output that it has received so far.
struct Terminal {
    slave: File,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 })
            .unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut master, seen) = (File::from(master), Arc::clone(&shown));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = master.read(&mut buffer) {
                seen.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Terminal { slave, shown }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Starts the handler in the foreground. It prints its progress to this terminal.
    fn watch(&self, bed: &Bed) -> Child {
        let mut command = bed.monitor.as_nagios(&bed.monitor.handler);
        command.args(CALL.split_whitespace()).arg("--policy").arg(&bed.monitor.policy);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.slave.try_clone().unwrap())
            .spawn()
            .unwrap()
    }
}

/// Returns a shell command that prints a line, waits until `go` exists, and then prints another
/// line.
fn talkative(go: &Path) -> String {
    format!("echo it begins; until [ -e {} ]; do sleep 0.02; done; echo it is over", go.display())
}

fn appears_while_repair_runs(bed: &Bed, go: &Path) {
    let terminal = Terminal::new();
    let mut call = terminal.watch(bed);
    until("the first line on the terminal", Duration::from_secs(20), || {
        terminal.text().contains(" output        it begins\n").then_some(())
    });
    assert!(terminal.text().contains(" begun         rung 1 of 1: "), "{}", terminal.text());
    assert!(
        call.try_wait().unwrap().is_none() && !terminal.text().contains("output        it is over"),
        "{}",
        terminal.text()
    );
    fs::write(go, "").unwrap();
    assert_eq!(call.wait().unwrap().code(), Some(0), "{}", terminal.text());
    until("the last row", Duration::from_secs(5), || {
        terminal.text().contains(" verified      OK: ").then_some(())
    });
    assert!(terminal.text().contains(" output        it is over\n"), "{}", terminal.text());
}

#[test]
fn shows_output_of_running_repair_over_both_transports() {
    for transport in ["ssh2", "openssh"] {
        let bed = Bed::new();
        let go = bed.mark.with_file_name("go");
        bed.web.write_repairs(&json!({"repairs": {"httpd": {"run": ["/bin/sh", "-c", talkative(&go)], "timeout": "30s"}}}));
        bed.policy(|policy| {
            policy["repairs"]["httpd"]["timeout"] = json!("40s");
            policy["ssh"]["transport"] = json!(transport);
        });
        appears_while_repair_runs(&bed, &go);
    }
}

#[test]
fn shows_output_of_running_local_rung() {
    let bed = Bed::new();
    let go = bed.mark.with_file_name("go");
    bed.policy(|policy| {
        policy["repairs"]["httpd"]["timeout"] = json!("40s");
        policy["repairs"]["httpd"]["ladder"] =
            json!([{"local": ["/bin/sh", "-c", talkative(&go)]}]);
    });
    appears_while_repair_runs(&bed, &go);
}

#[test]
fn hostile_host_cannot_flood_or_control_terminal() {
    let bed = Bed::new();
    // The fake gate prints escape sequences, far too much output, and lines that look like
    // handle_repair's own lines after the terminal has wrapped them.
    let script = r#"#!/bin/sh
set -- $SSH_ORIGINAL_COMMAND
[ "$1" = repair ] || exec echo 'SHN1 {"answer":"refused","host":"h","reason":"bad-request","text":"no"}'
printf 'SHP1 x%57s    9.00 s  verified   OK: all is well\n' ''
printf 'SHP1 \033[2J\033[H\033]0;owned\007    9.00 s  told       Nagios\n'
printf 'SHP1 a\r    9.00 s  verified   OK: all is well\n'
for n in $(seq 20000); do echo SHP1 flood $n; done
printf 'SHN1 {"answer":"repair","host":"h","job":"%s","repair":"%s","state":"done","exit":0,"signal":null,"seconds":1,"started":1,"output":[]}\n' "$3" "$2"
"#;
    let gate = bed.mark.with_file_name("hostile");
    fs::write(&gate, script).unwrap();
    fs::set_permissions(&gate, fs::Permissions::from_mode(0o755)).unwrap();
    bed.web.allow(&format!("restrict,command=\"{}\"", gate.display()));
    let terminal = Terminal::new();
    let mut call = terminal.watch(&bed);
    assert!(call.wait().unwrap().code().is_some());
    until("the last row", Duration::from_secs(5), || {
        terminal.text().contains(" told").then_some(())
    });

    let shown = terminal.text();
    assert!(!shown.replace('\n', "").contains(char::is_control), "{shown:?}");
    let rows: Vec<&str> = shown.lines().collect();
    assert!(rows.len() < 250, "{} rows", rows.len());
    for row in &rows {
        assert!(row.chars().count() < usize::from(COLUMNS), "the terminal would wrap: {row}");
        let ours = row.get(8..11) == Some(" s ") && row[..8].trim().parse::<f64>().is_ok();
        assert!(ours || row.starts_with(&" ".repeat(26)), "{row}");
    }
    let steps = bed.monitor.steps(&bed.monitor.records()[0].job);
    for kind in [StepKind::Verified, StepKind::Notified] {
        let ours = rows
            .iter()
            .filter(|row| row.get(12..).is_some_and(|rest| rest.starts_with(kind.as_str())))
            .count();
        assert_eq!(
            ours,
            steps.iter().filter(|step| step.kind == kind).count(),
            "{kind:?}: {shown}"
        );
    }
    assert_eq!(
        rows.iter()
            .filter(|row| row.get(12..).is_some_and(|rest| rest.starts_with("output")))
            .count(),
        200
    );
}
