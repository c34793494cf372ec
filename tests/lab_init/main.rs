//! `lab_init PROGRAM [ARGUMENT...]` is the init process for one of the lab's daemons.
//!
//! It runs the program, adopts orphaned descendants, and kills all of them when its standard input
//! is closed. Therefore a daemon dies with the test that started it, even if the daemon has
//! detached itself or the test is killed. lab_init also reaps processes immediately. The init
//! process in a container may reap them late, and then `apache2 -k start` mistakes a zombie for a
//! running server.

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
    // The child must not read standard input, because the end of standard input tells this process
    // to stop.
    if Command::new(program).args(argv).stdin(process::Stdio::null()).spawn().is_err() {
        return ExitCode::from(2);
    }
    thread::spawn(|| while matches!(wait(WaitOptions::empty()), Ok(Some(_))) {});
    let _ = io::stdin().read_to_end(&mut Vec::new());
    // Killed processes can leave orphans, which this process then adopts. Repeat until there are
    // none.
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

/// Returns all descendants of `root` except zombies, which the other thread reaps.
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

/// Returns the parent of a process, or `None` for a zombie. In /proc/pid/stat (see proc(5)), the
/// state and the parent follow the program's name, which is in parentheses.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}
