//! `repair_gate within SECONDS GRACE PROGRAM...`: runs a command under a time limit.
//!
//! sudo runs `within` under the account that the command needs, because only that account may
//! signal the command. `within` also enforces the limit if the gate has died.
//!
//! timeout(1) is not used, because it ends together with its program and leaves other processes of
//! the group running if they ignore SIGTERM.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use crate::durations::TimeLimit;
use crate::output::Output;
use crate::{processes, threads};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessEnd {
    Exit(i32),
    Signal(i32),
    /// The process group was stopped at the time limit.
    TimedOut,
}

impl ProcessEnd {
    /// Returns how the command ended, given how `repair_gate within` ended.
    pub(crate) fn of_command(self) -> ProcessEnd {
        match self {
            ProcessEnd::Exit(code) if SURVIVED.contains(&(code - 128)) => {
                ProcessEnd::Signal(code - 128)
            }
            end => end,
        }
    }
}

impl From<ExitStatus> for ProcessEnd {
    fn from(status: ExitStatus) -> ProcessEnd {
        let signal = || ProcessEnd::Signal(status.signal().unwrap_or(0));
        status.code().map_or_else(signal, ProcessEnd::Exit)
    }
}

/// Exit code with which `within` reports that it stopped the command. timeout(1) uses the same
/// code.
pub(crate) const TIMED_OUT: u8 = 124;
const NOT_STARTED: u8 = 127;
/// The number of SIGKILL, see signal(7).
pub(crate) const KILLED: i32 = 9;
/// SIGBUS, SIGSEGV and SIGPIPE. If one of them ends the command, `within` exits with a code for it
/// instead of ending with the same signal. Otherwise sudo-rs (up to at least 0.2.8) would send
/// itself the signal, survive because Rust's runtime handles it, and exit with 0 as if the command
/// had succeeded.
const SURVIVED: [i32; 3] = [7, 11, 13];
const KILL: &str = "/bin/kill";
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs the command, and then ends as the command did. The exit code can have any value here,
/// because only the gate sees it.
pub(crate) fn main(argv: &[String], limit: TimeLimit) -> Output {
    // Refuse an argument with a space if sudo has started this process. sudo joins arguments with
    // spaces before it compares them, so the account could pass several arguments of a permitted
    // command as a single one.
    let joined = env::var_os("SUDO_COMMAND").is_some() && argv.iter().any(|w| w.contains(' '));
    let ran = if joined {
        Err(io::Error::other("an argument contains a space"))
    } else {
        run(argv, limit)
    };
    let (code, stderr) = match ran {
        Ok(ProcessEnd::Exit(code)) => (u8::try_from(code).unwrap_or(u8::MAX), String::new()),
        Ok(ProcessEnd::TimedOut) => (TIMED_OUT, String::new()),
        // Exit with the code that a shell would return. If `within` died of SIGKILL itself, the
        // gate would conclude that `within` was killed and that the command may still be running.
        Ok(ProcessEnd::Signal(KILLED)) => (128 + 9, String::new()),
        Ok(ProcessEnd::Signal(signal)) => (die_of(signal), String::new()),
        Err(e) => {
            let program = argv.first().map_or("", String::as_str);
            (NOT_STARTED, format!("cannot start {program}: {e}\n"))
        }
    };
    Output { stdout: String::new(), stderr, code, must_arrive: false }
}

/// Runs `argv` in a process group of its own. At the limit, sends SIGTERM to the group, and after
/// the grace period SIGKILL to the remaining processes.
fn run(argv: &[String], limit: TimeLimit) -> io::Result<ProcessEnd> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    // Check that kill(1) exists, because a command that cannot be stopped must not be started.
    fs::metadata(KILL).map_err(|e| {
        let why = format!("cannot use {KILL}, which stops the program at the time limit: {e}");
        io::Error::new(e.kind(), why)
    })?;
    let (started, group) = mpsc::channel::<u32>();
    let (ended, end) = mpsc::channel::<()>();
    // Start the timer thread before the command, so that the command never runs without a time
    // limit.
    let clock = threads::spawn(move || {
        let Ok(group) = group.recv() else { return false };
        let over = end.recv_timeout(limit.timeout) == Err(RecvTimeoutError::Timeout);
        if over {
            stop(group, limit.grace);
        }
        over
    })?;
    let mut child = Command::new(program).args(arguments).process_group(0).spawn()?;
    let _ = started.send(child.id());
    let status = child.wait()?;
    let _ = ended.send(());
    Ok(if clock.join().unwrap_or(false) { ProcessEnd::TimedOut } else { status.into() })
}

fn stop(group: u32, grace: Duration) {
    let until = Instant::now() + grace;
    let mut signalled = signal("-TERM", group);
    while processes::any_in_group(group) {
        if Instant::now() >= until && signal("-KILL", group) {
            break;
        }
        signalled = signalled || signal("-TERM", group);
        thread::sleep(LOOK_AGAIN);
    }
}

/// Signals a process group with kill(1), because std can only signal its own child processes.
/// Returns whether kill(1) could be started. If not, the command may have exhausted the account's
/// process limit, and the caller must try again.
fn signal(name: &str, group: u32) -> bool {
    let words = [name, "--", &format!("-{group}")];
    Command::new(KILL)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Ends this process with the signal that ended the command. Its parent sudo(8) then ends with the
/// same signal, so the gate learns which signal it was. std cannot send signals, so kill(1)
/// replaces this process and sends the signal to its own PID.
fn die_of(signal: i32) -> u8 {
    if !SURVIVED.contains(&signal) && Path::new(KILL).exists() {
        let _ = Command::new(KILL).args([format!("-{signal}"), process::id().to_string()]).exec();
    }
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(timeout: u64, grace: u64) -> TimeLimit {
        let (timeout, grace) = (Duration::from_secs(timeout), Duration::from_secs(grace));
        TimeLimit { timeout, grace }
    }

    fn shell(script: &str, grace: u64) -> (ProcessEnd, Duration) {
        let begun = Instant::now();
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        (run(&argv, seconds(1, grace)).unwrap(), begun.elapsed())
    }

    fn wait_until(what: &str, ready: impl Fn() -> bool) {
        let begun = Instant::now();
        while !ready() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn returns_how_the_command_ended() {
        assert_eq!(shell("exit 3", 1).0, ProcessEnd::Exit(3));
        assert_eq!(shell("exit 124", 1).0, ProcessEnd::Exit(124));
        assert_eq!(shell("kill -SEGV $$", 1).0, ProcessEnd::Signal(11));
        assert!(run(&["/nonexistent".to_owned()], seconds(1, 1)).is_err());
    }

    #[test]
    fn stops_group_at_the_limit_without_waiting_for_the_whole_grace_period() {
        let (outcome, took) = shell("sleep 61 & sleep 62", 60);
        assert_eq!(outcome, ProcessEnd::TimedOut);
        assert!(took < Duration::from_secs(50), "{took:?}");
    }

    #[test]
    fn kills_process_that_ignores_sigterm_and_has_lost_its_parent() {
        let pid = tempfile::NamedTempFile::new().unwrap();
        let deaf = format!(
            "sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 0.1; done' & wait",
            pid.path().display()
        );
        let (outcome, took) = shell(&deaf, 1);
        assert_eq!(outcome, ProcessEnd::TimedOut);
        assert!(took >= Duration::from_secs(2), "{took:?}");
        let pid = fs::read_to_string(pid.path()).unwrap();
        let stat = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        wait_until("the process is still alive", || stat().is_empty() || stat().contains(") Z "));
    }

    #[test]
    fn leaves_daemon_in_another_group_running() {
        let pid = tempfile::NamedTempFile::new().unwrap();
        let daemon = format!(
            "setsid sh -c 'echo $$ > {0}; exec sleep 600' & until [ -s {0} ]; do sleep 0.01; done",
            pid.path().display()
        );
        let argv = ["/bin/sh", "-c", &daemon].map(str::to_owned);
        assert_eq!(run(&argv, seconds(60, 1)).unwrap(), ProcessEnd::Exit(0));
        let pid = fs::read_to_string(pid.path()).unwrap();
        assert!(Path::new("/proc").join(pid.trim()).exists());
        assert!(Command::new(KILL).args(["-KILL", pid.trim()]).status().unwrap().success());
    }
}
