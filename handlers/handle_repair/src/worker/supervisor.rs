//! The supervisor of a `local` rung: this program once more, in the session of the rung.
//!
//! It holds the lock of the job, keeps the deadline and kills what is left of the session, also
//! when the worker has died. A lock that the rung's program inherits would not do: sudo(8) closes
//! it, and a daemon that the program starts would keep it.

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

/// The first argument of a supervisor. The second is the limit in milliseconds; the program and its
/// arguments follow.
pub const SUPERVISE: &str = "--supervise";

/// How much later than the supervisor the worker enforces the limit: the supervisor may hang.
const SECOND_GUARD: Duration = Duration::from_secs(2);

/// How a program of a `local` rung ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RungEnd {
    /// With this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Its session was killed at the limit.
    TimedOut,
    /// It was not started, for this reason.
    NotStarted(String),
    /// Its supervisor was killed.
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
    /// Reads what [`fmt::Display`] writes, which is the supervisor's report to the worker.
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

/// Runs a program under a supervisor. Returns its end and the first line it printed once nothing of
/// its session is left, or once it has ended by itself. `lock` is the lock of the job.
///
/// # Errors
/// Nothing was run.
pub fn run(
    lock: &File,
    argv: &[OsString],
    limit: Duration,
    watch: &mut dyn FnMut(&str),
) -> io::Result<(RungEnd, String)> {
    let deadline = Instant::now() + limit;
    let (output, writer) = CapturedOutput::begin()?;
    let (mut report, report_writer) = io::pipe()?;
    // The program that runs, even if an upgrade has replaced its file.
    let mut command = Command::new("/proc/self/exe");
    program::clean_room(&mut command).arg0("repair_worker");
    command.arg(SUPERVISE).arg(limit.as_millis().to_string()).args(argv);
    command.stdin(lock.try_clone()?).stdout(writer).stderr(report_writer);
    let mut supervisor = command.spawn()?;
    drop(command);
    // From here on something may run, and errors must not claim otherwise.
    let waited = program::wait(&mut supervisor, deadline + SECOND_GUARD, &mut || {
        output.show(watch);
    });
    let mut text = String::new();
    let end = match waited.and_then(|_| report.read_to_string(&mut text)) {
        Ok(_) => RungEnd::read(text.trim_end()),
        Err(_) => RungEnd::Lost,
    };
    wait_for_session(lock, deadline);
    let end =
        if end == RungEnd::Lost && Instant::now() >= deadline { RungEnd::TimedOut } else { end };
    Ok((end, output.first_line(watch)))
}

/// Waits until the session of a rung is empty, or is given up. Killing it fails for programs of other
/// users, as sudo runs them; these are waited for.
fn wait_for_session(lock: &File, deadline: Instant) {
    let mut pause = Duration::from_millis(5);
    while let Ok(Some(session)) = RungSession::recorded(lock)
        && session.is_running()
    {
        if Instant::now() >= deadline {
            session.kill();
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Supervises one program: `argv` are the words after [`SUPERVISE`]. Stdin is the lock of the job,
/// stdout takes the program's output and stderr the report.
pub fn main(argv: &[OsString]) -> ExitCode {
    let end = supervise(argv).unwrap_or_else(|why| RungEnd::NotStarted(why.to_string()));
    let _ = writeln!(io::stderr(), "{end}");
    ExitCode::SUCCESS
}

fn supervise(argv: &[OsString]) -> io::Result<RungEnd> {
    let bad_call = || io::Error::other("call: repair_worker --supervise MILLISECONDS PROGRAM...");
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

/// Returns once the program has ended by itself, or once nothing of its session is left.
fn supervise_until(
    deadline: Instant,
    session: &RungSession,
    program: &OsString,
    arguments: &[OsString],
) -> io::Result<RungEnd> {
    let mut output = HeldOutput::open()?;
    let stdout = || io::stdout().as_fd().try_clone_to_owned();
    let mut command = Command::new(program);
    // In a group of its own: a script that signals its group does not mean us.
    program::clean_room(&mut command).args(arguments).process_group(0).stdin(Stdio::null());
    let mut child = command.stdout(stdout()?).stderr(stdout()?).spawn()?;
    let (mut pause, mut end) = (Duration::from_micros(500), None);
    loop {
        output.drain_without_worker();
        if let Ok(Some(status)) = child.try_wait()
            && end.is_none()
        {
            match status.code() {
                // What a program that has ended leaves behind is a daemon.
                Some(code) => return Ok(output.ended(RungEnd::Exit(code))),
                // What a program that was killed leaves behind is its work.
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

/// The pipe to which the program prints. The worker reads it. A program that prints must not die
/// when the worker has died, so from then on we read.
struct HeldOutput {
    pipe: File,
    worker: Option<Pid>,
    is_drained: bool,
}

impl HeldOutput {
    fn open() -> io::Result<HeldOutput> {
        // Opening a pipe there opens its other end: proc_pid_fd(5).
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

    /// What the program has left running may print as well.
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
    fn a_report_is_read_as_it_was_written() {
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
