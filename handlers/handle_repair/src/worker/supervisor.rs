//! The supervisor of a `local` rung: a second process of this program, which leads the rung's
//! session.
//!
//! The supervisor holds the job's lock and kills the session at the deadline, even if the worker
//! has died. The rung's program cannot hold the lock itself: sudo(8) closes inherited descriptors,
//! and a daemon that the program starts would keep the lock.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger::RungSession;
use rustix::process::{Pid, getppid};

use super::program::{self, CapturedOutput};

/// First argument of the supervisor. It is followed by the time limit in milliseconds, the program
/// and the program's arguments.
pub const SUPERVISE: &str = "--supervise";

/// How long the worker waits after the time limit before it kills a supervisor that hangs.
const SECOND_GUARD: Duration = Duration::from_secs(2);

/// How the program of a `local` rung ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RungEnd {
    /// The program ended with this exit code.
    Exit(i32),
    /// This signal ended the program.
    Signal(i32),
    /// The supervisor killed the session at the time limit.
    TimedOut,
    /// The program was not started, for this reason.
    NotStarted(String),
    /// The supervisor was killed, so how the program ended is unknown.
    Lost,
}

impl fmt::Display for RungEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RungEnd::Exit(code) => write!(f, "exit {code}"),
            RungEnd::Signal(signal) => write!(f, "signal {signal}"),
            RungEnd::TimedOut => f.write_str("timeout"),
            RungEnd::NotStarted(why) => write!(f, "not started: {why}"),
            RungEnd::Lost => f.write_str("lost"),
        }
    }
}

impl RungEnd {
    /// Parses the report that the supervisor sends to the worker, which is a `RungEnd` formatted by
    /// its [`fmt::Display`].
    fn read(report: &str) -> RungEnd {
        let number = |word: &str| report.strip_prefix(word).and_then(|rest| rest.parse().ok());
        if let Some(why) = report.strip_prefix("not started: ") {
            return RungEnd::NotStarted(why.to_owned());
        }
        match (number("exit "), number("signal "), report) {
            (Some(code), ..) => RungEnd::Exit(code),
            (_, Some(signal), _) => RungEnd::Signal(signal),
            (.., "timeout") => RungEnd::TimedOut,
            _ => RungEnd::Lost,
        }
    }
}

/// Runs a program under a supervisor. Waits until the program has exited by itself or the rung's
/// session is empty. Returns how the program ended and the beginning of its output. `lock` is the
/// job's lock file. If the session goes on after its deadline, calls `renew` repeatedly, because
/// other servers see only the lease of the repair.
///
/// # Errors
/// Fails if the supervisor cannot be started. In that case, nothing was run.
pub fn run(
    lock: &File,
    argv: &[OsString],
    limit: Duration,
    watch: &mut dyn FnMut(&str),
    renew: &mut dyn FnMut(),
) -> io::Result<(RungEnd, Vec<u8>)> {
    let deadline = Instant::now() + limit;
    let (output, writer) = CapturedOutput::begin()?;
    let (mut report, report_writer) = io::pipe()?;
    // Start the same program file as this process, even if an upgrade has replaced that file.
    let mut command = Command::new("/proc/self/exe");
    program::clean_room(&mut command).arg0("repair_worker");
    command.arg(SUPERVISE).arg(limit.as_millis().to_string()).args(argv);
    command.stdin(lock.try_clone()?).stdout(writer).stderr(report_writer);
    let mut supervisor = command.spawn()?;
    drop(command);
    // The program may be running from here on, so a later error must not claim that nothing was
    // run.
    let waited = program::wait(&mut supervisor, deadline + SECOND_GUARD, &mut || {
        output.show(watch);
    });
    let mut text = String::new();
    let end = match waited.and_then(|_| report.read_to_string(&mut text)) {
        Ok(_) => RungEnd::read(text.trim_end()),
        Err(_) => RungEnd::Lost,
    };
    wait_for_session(lock, deadline, renew);
    let end =
        if end == RungEnd::Lost && Instant::now() >= deadline { RungEnd::TimedOut } else { end };
    Ok((end, output.into_bytes(watch)))
}

/// Waits until a rung's session is empty or no longer counts as running. Kills the session after
/// the deadline. Programs that sudo runs as another user cannot be killed, so this function waits
/// until they end.
fn wait_for_session(lock: &File, deadline: Instant, renew: &mut dyn FnMut()) {
    let mut pause = Duration::from_millis(5);
    while let Ok(Some(session)) = RungSession::recorded(lock)
        && session.is_running()
    {
        if Instant::now() >= deadline {
            session.kill();
            renew();
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Supervises one program. `argv` holds the arguments after [`SUPERVISE`]. Stdin is the job's lock
/// file. The program's output goes to stdout, and the report on how it ended goes to stderr.
pub fn main(argv: &[OsString]) -> ExitCode {
    let end = supervise(argv).unwrap_or_else(|why| RungEnd::NotStarted(why.to_string()));
    let _ = writeln!(io::stderr(), "{end}");
    ExitCode::SUCCESS
}

fn supervise(argv: &[OsString]) -> io::Result<RungEnd> {
    let bad_call = || io::Error::other("usage: repair_worker --supervise MILLISECONDS PROGRAM...");
    let [limit, program, arguments @ ..] = argv else { return Err(bad_call()) };
    let limit = limit.to_str().and_then(|text| text.parse().ok()).ok_or_else(bad_call)?;
    let limit = Duration::from_millis(limit);
    let deadline = Instant::now() + limit;
    let lock = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let session = RungSession::begin(SystemTime::now() + limit)?;
    session.record(&lock)?;
    let end = supervise_until(deadline, &session, program, arguments);
    let _ = RungSession::erase(&lock);
    end
}

/// Runs the program, and kills its session at the deadline. Returns as soon as the program has
/// exited by itself. If a signal ended the program, returns only when the session is empty.
fn supervise_until(
    deadline: Instant,
    session: &RungSession,
    program: &OsString,
    arguments: &[OsString],
) -> io::Result<RungEnd> {
    let mut output = HeldOutput::open()?;
    let stdout = || io::stdout().as_fd().try_clone_to_owned();
    let mut command = Command::new(program);
    // The program gets its own process group, because a script may signal its whole group. The
    // supervisor must not get such a signal.
    program::clean_room(&mut command).args(arguments).process_group(0).stdin(Stdio::null());
    let mut child = command.stdout(stdout()?).stderr(stdout()?).spawn()?;
    let (mut pause, mut end) = (Duration::from_micros(500), None);
    loop {
        output.drain_without_worker();
        if let Ok(Some(status)) = child.try_wait()
            && end.is_none()
        {
            match status.code() {
                // The program exited by itself, so the processes that remain are daemons and may
                // keep running.
                Some(code) => return Ok(output.ended(RungEnd::Exit(code))),
                // A signal ended the program before it was done, so the processes that remain may
                // still be repairing.
                None => end = Some(RungEnd::Signal(status.signal().unwrap_or_default())),
            }
        }
        if let Some(end) = &end
            && !session.is_running()
        {
            return Ok(end.clone());
        }
        if Instant::now() >= deadline {
            end = Some(RungEnd::TimedOut);
            session.kill();
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The pipe for the program's output. Normally the worker reads it. If the worker dies, the
/// supervisor reads it instead, because otherwise SIGPIPE would kill the program.
struct HeldOutput {
    pipe: File,
    worker: Option<Pid>,
    is_drained: bool,
}

impl HeldOutput {
    fn open() -> io::Result<HeldOutput> {
        // Stdout is the write end of the pipe. Opening this path for reading opens the read end,
        // see proc_pid_fd(5).
        let pipe = File::open("/proc/self/fd/1")?;
        Ok(HeldOutput { pipe, worker: getppid(), is_drained: false })
    }

    fn drain_without_worker(&mut self) {
        if self.is_drained || getppid() == self.worker {
            return;
        }
        self.is_drained = true;
        if let Ok(mut pipe) = self.pipe.try_clone() {
            let _ = thread::Builder::new().spawn(move || io::copy(&mut pipe, &mut io::sink()));
        }
    }

    /// Returns `end`. If the worker has died, first starts a cat(1) that keeps reading the pipe,
    /// because daemons that the program left behind may still write to it.
    fn ended(self, end: RungEnd) -> RungEnd {
        if self.is_drained {
            program::keep_reading(self.pipe);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_report_that_it_writes() {
        for end in [
            RungEnd::Exit(0),
            RungEnd::Exit(255),
            RungEnd::Signal(9),
            RungEnd::TimedOut,
            RungEnd::NotStarted("No such file or directory (os error 2)".into()),
            RungEnd::Lost,
        ] {
            assert_eq!(RungEnd::read(&end.to_string()), end);
        }
        assert_eq!(RungEnd::read(""), RungEnd::Lost);
    }
}
