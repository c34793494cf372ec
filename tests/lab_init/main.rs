//! `lab_init PROGRAM [ARGUMENT...]`: the init of one daemon of the lab.
//!
//! Runs the program as the reaper of everything it leaves behind, and ends all of it when its own
//! standard input is closed. So a daemon that forks away dies with the test that started it, even
//! when the test is killed, and a process that ends is reaped at once: a container's init may reap
//! late, and then `apache2 -k start` takes a zombie for a running server.

use std::io::Read;
use std::process::{Command, ExitCode};
use std::{env, fs, io, process, thread};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};

fn main() -> ExitCode {
    let mut argv = env::args_os().skip(1);
    let Some(program) = argv.next() else { return ExitCode::from(2) };
    if set_child_subreaper(Some(getpid())).is_err() {
        return ExitCode::from(2);
    }
    // The child reads from nowhere: our standard input is the leash.
    if Command::new(program).args(argv).stdin(process::Stdio::null()).spawn().is_err() {
        return ExitCode::from(2);
    }
    thread::spawn(|| while matches!(wait(WaitOptions::empty()), Ok(Some(_))) {});
    let _ = io::stdin().read_to_end(&mut Vec::new());
    // What is killed may leave children to us in turn, so look until none is left.
    loop {
        let children = descendants(process::id());
        if children.is_empty() {
            return ExitCode::SUCCESS;
        }
        for child in children.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(child, Signal::KILL);
        }
        thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// All processes below `root` but the zombies among them, which the reaper thread takes.
fn descendants(root: u32) -> Vec<i32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent_of(pid)?)))
        .collect();
    let mut found = vec![root];
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return found
                .into_iter()
                .filter(|pid| *pid != root)
                .filter_map(|pid| i32::try_from(pid).ok())
                .collect();
        }
        found.extend(more);
    }
}

/// The parent of a living process: the second field after the program's name in parentheses, see
/// proc(5).
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}
