//! `repair_gate within SECONDS GRACE PROGRAM...`: runs a command under a time limit. It runs
//! between sudo and the command, under the account of the command, because only that account may
//! signal it; and it keeps the time when the gate has died.
//!
//! Not timeout(1): that ends with the program it started, and leaves running what ignores SIGTERM
//! in the same process group.

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
    /// Its group was stopped.
    TimedOut,
}

impl ProcessEnd {
    /// Returns the end of the command that `repair_gate within` has ended with.
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

/// The exit code of a command that was stopped, as timeout(1) has it.
pub(crate) const TIMED_OUT: u8 = 124;
const NOT_STARTED: u8 = 127;
/// SIGKILL: signal(7).
pub(crate) const KILLED: i32 = 9;
/// SIGBUS, SIGSEGV and SIGPIPE: sudo-rs up to 0.2.8 at least survives its own, for Rust's runtime
/// handles them, and exits with 0, as if the command had done its work. So the exit code tells.
const SURVIVED: [i32; 3] = [7, 11, 13];
const KILL: &str = "/bin/kill";
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Ends as the command did: with any exit code, for neither Nagios nor the server sees it.
pub(crate) fn main(argv: &[String], limit: TimeLimit) -> Output {
    // sudo compares arguments joined by blanks, so an account could join words of its own command.
    let joined = env::var_os("SUDO_COMMAND").is_some() && argv.iter().any(|w| w.contains(' '));
    let ran = if joined { Err(io::Error::other("a word holds a blank")) } else { run(argv, limit) };
    let (code, stderr) = match ran {
        Ok(ProcessEnd::Exit(code)) => (u8::try_from(code).unwrap_or(u8::MAX), String::new()),
        Ok(ProcessEnd::TimedOut) => (TIMED_OUT, String::new()),
        // As a shell reports it: dying of this signal shows that this process was killed, and that
        // the command may still run.
        Ok(ProcessEnd::Signal(KILLED)) => (128 + 9, String::new()),
        Ok(ProcessEnd::Signal(signal)) => (die_of(signal), String::new()),
        Err(e) => {
            let program = argv.first().map_or("", String::as_str);
            (NOT_STARTED, format!("cannot start {program}: {e}\n"))
        }
    };
    Output { stdout: String::new(), stderr, code, must_arrive: false }
}

/// Runs `argv` in a process group of its own, and at the limit sends that group SIGTERM, then
/// SIGKILL to what is left.
fn run(argv: &[String], limit: TimeLimit) -> io::Result<ProcessEnd> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    // A command that could not be stopped must not be started.
    fs::metadata(KILL)
        .map_err(|e| io::Error::new(e.kind(), format!("{KILL}, which would stop it: {e}")))?;
    let (started, group) = mpsc::channel::<u32>();
    let (ended, end) = mpsc::channel::<()>();
    // The clock is there before the command is.
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

/// Signals a whole group, by kill(1): std signals only processes it started, one by one. Returns
/// whether kill could be started: where the command has used up all processes it must be tried
/// again.
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

/// Dies as the command died, so that sudo(8), which does the same, passes the signal on to the
/// gate. This process becomes kill(1), which signals itself.
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
    fn passes_on_how_a_command_within_its_time_ended() {
        assert_eq!(shell("exit 3", 1).0, ProcessEnd::Exit(3));
        assert_eq!(shell("exit 124", 1).0, ProcessEnd::Exit(124));
        assert_eq!(shell("kill -SEGV $$", 1).0, ProcessEnd::Signal(11));
        assert!(run(&["/nonexistent".to_owned()], seconds(1, 1)).is_err());
    }

    #[test]
    fn stops_the_group_at_the_limit_without_waiting_for_the_whole_grace() {
        let (outcome, took) = shell("sleep 61 & sleep 62", 60);
        assert_eq!(outcome, ProcessEnd::TimedOut);
        assert!(took < Duration::from_secs(50), "{took:?}");
    }

    #[test]
    fn kills_a_process_that_ignores_sigterm_even_when_its_parent_has_ended() {
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
        wait_until("it lives", || stat().is_empty() || stat().contains(") Z "));
    }

    #[test]
    fn leaves_a_daemon_running_that_left_the_group() {
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
