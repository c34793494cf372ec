//! Runs `ssh` once, in a process group of its own and within the deadline. ssh's log goes to a
//! separate pipe, so that it does not mix with the host's output.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};

use super::command::SshCommand;
use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::request::Request;
use crate::response_buffer::{GRACE, ResponseBuffer};

/// How many bytes of the log to keep. ssh usually writes a few KiB.
const MAX_LOG: usize = 64 * 1024;

/// The result of running `ssh` once.
pub(super) struct SshOutcome {
    pub(super) response: ResponseBuffer,
    /// The log that ssh wrote. Anyone on the network can inject lines into it.
    pub(super) log: String,
    /// The exit status of ssh, or `None` if ssh had to be killed.
    pub(super) status: Option<ExitStatus>,
    /// Whether the deadline passed before an answer arrived.
    pub(super) timed_out: bool,
    /// Whether ssh may have logged in, in which case the request may have been sent.
    pub(super) logged_in: bool,
}

impl SshOutcome {
    /// Returns the exit code of ssh, or `None` if a signal ended it.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }
}

/// Runs `ssh` for one request.
pub(super) fn run(
    command: &SshCommand,
    request: &Request,
    deadline: &RequestDeadline,
    progress: &mut dyn FnMut(&str),
) -> Result<SshOutcome, Error> {
    deadline.left(Phase::Connect)?;
    let mark = mark().map_err(|e| local(format!("cannot generate a random number: {e}")))?;
    let (process, mut streams) = start(command, request, &mark)?;
    let timed_out = streams.read(deadline, progress);
    let status = process.end(if timed_out { Duration::ZERO } else { GRACE });
    // Read the remaining output of ssh. It may contain the mark, which shows that ssh had logged in
    // before it exited.
    streams.drain(progress);
    let SshStreams { mut response, logged, .. } = streams;
    let log = String::from_utf8_lossy(&logged).into_owned();
    // If the log was truncated, assume that the missing part contained the mark.
    let logged_in = response.remove_mark(&mark) || log.contains(&mark) || logged.len() == MAX_LOG;
    Ok(SshOutcome { response, log, status, timed_out, logged_in })
}

fn start(
    command: &SshCommand,
    request: &Request,
    mark: &str,
) -> Result<(SshProcess, SshStreams), Error> {
    let (log, log_writer) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|e| local(format!("cannot create a pipe: {e}")))?;
    let spawned = command
        .build(request, mark)
        .stdin(log_writer)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let program = command.program().display();
    let child = spawned.map_err(|e| local(format!("cannot run {program}: {e}")))?;
    let mut process = SshProcess { child };
    let stream = |pipe: Option<OwnedFd>| {
        SshStream::new(pipe.ok_or_else(|| local("cannot access the output of ssh".into()))?)
    };
    let streams = SshStreams {
        stdout: stream(process.child.stdout.take().map(OwnedFd::from))?,
        stderr: stream(process.child.stderr.take().map(OwnedFd::from))?,
        log: SshStream::new(log)?,
        response: ResponseBuffer::new(),
        logged: Vec::new(),
    };
    Ok((process, streams))
}

fn local(why: String) -> Error {
    Error::Local { why }
}

/// Returns the mark, a random word that nobody on the network can guess.
///
/// ssh runs a LocalCommand that prints the mark once ssh has logged in. It sends the request only
/// after the LocalCommand has exited (ssh_config(5)). Until then, ssh's stdout is empty. If ssh
/// cannot run the LocalCommand, it logs the command line, which includes the mark.
fn mark() -> io::Result<String> {
    let mut random = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(random)))
}

/// The output streams of ssh and the bytes read from them.
struct SshStreams {
    stdout: SshStream,
    stderr: SshStream,
    log: SshStream,
    response: ResponseBuffer,
    logged: Vec<u8>,
}

impl SshStreams {
    /// Reads stdout and stderr until both end. Stops early at the deadline, or when [`GRACE`] has
    /// passed since the answer or the end of stdout. Returns whether the deadline passed before an
    /// answer arrived.
    fn read(&mut self, deadline: &RequestDeadline, progress: &mut dyn FnMut(&str)) -> bool {
        let mut grace: Option<Instant> = None;
        loop {
            self.drain(progress);
            let now = Instant::now();
            let ended = self.stdout.ended && self.stderr.ended;
            if self.response.overflowed || ended || grace.is_some_and(|grace| grace <= now) {
                return false;
            }
            let Ok(left) = deadline.left(Phase::Connect) else { return !self.response.answered() };
            if self.response.answered() || self.stdout.ended {
                grace.get_or_insert(now + GRACE);
            }
            let left = grace.map_or(left, |grace| left.min(grace.saturating_duration_since(now)));
            wait(&[&self.stdout, &self.stderr, &self.log], left);
        }
    }

    fn drain(&mut self, progress: &mut dyn FnMut(&str)) {
        let SshStreams { stdout, stderr, log, response, logged } = self;
        stdout.drain(|bytes| response.push_stdout(bytes, progress));
        stderr.drain(|bytes| response.push_stderr(bytes));
        log.drain(|bytes| logged.extend(bytes.iter().take(MAX_LOG.saturating_sub(logged.len()))));
    }
}

fn wait(streams: &[&SshStream], left: Duration) {
    let open = streams.iter().filter(|stream| !stream.ended);
    let mut watched: Vec<_> =
        open.map(|stream| PollFd::from_borrowed_fd(stream.file.as_fd(), PollFlags::IN)).collect();
    let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    // Ignore errors such as EINTR. The caller checks the streams and the deadline again in any
    // case.
    let _ = poll(&mut watched, Some(&timeout));
}

struct SshStream {
    file: File,
    ended: bool,
}

impl SshStream {
    fn new(fd: OwnedFd) -> Result<SshStream, Error> {
        ioctl_fionbio(&fd, true).map_err(|e| local(format!("cannot set up a pipe: {e}")))?;
        Ok(SshStream { file: File::from(fd), ended: false })
    }

    /// Reads the available bytes, but at most 64 KiB, which is the capacity of a pipe. Without this
    /// limit, the caller might never check the deadline while a host keeps writing.
    fn drain(&mut self, mut take: impl FnMut(&[u8])) {
        let mut buffer = [0; 16 * 1024];
        for _ in 0..4 {
            if self.ended {
                return;
            }
            match self.file.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(n) => take(buffer.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.ended = true,
            }
        }
    }
}

/// A running `ssh` process. Dropping it kills the whole process group.
struct SshProcess {
    child: Child,
}

impl SshProcess {
    /// Waits up to `patience` for ssh to exit, then kills its process group. Returns `None` if ssh
    /// did not exit by itself.
    fn end(mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

impl Drop for SshProcess {
    fn drop(&mut self) {
        // Kill the group even if ssh has exited, because a ProxyCommand may still be running.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
