//! One run of `ssh`: in its own process group, within the deadline, with its own log apart from
//! what the host writes.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};

use super::OpenSshGate;
use crate::deadline::Clock;
use crate::response_buffer::{GRACE, Heard};
use crate::{Error, Phase, Request};

/// How much of the log is kept; ssh writes a few lines.
const LOG_KEPT: usize = 64 * 1024;

/// What a run of `ssh` left.
pub(super) struct Ran {
    pub(super) heard: Heard,
    /// What ssh itself wrote. Anyone on the network can have put lines into it.
    pub(super) log: String,
    pub(super) status: Option<ExitStatus>,
    /// The deadline ended it.
    pub(super) timed_out: bool,
    /// The host has proved its key and let us in, so the question may have been sent.
    pub(super) logged_in: bool,
}

impl Ran {
    /// None when ssh was killed.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }
}

/// Runs `ssh` for one question to this gate.
pub(super) fn run(
    gate: &OpenSshGate,
    request: &Request,
    clock: &Clock,
    watch: &mut dyn FnMut(&str),
) -> Result<Ran, Error> {
    let OpenSshGate { how, target, words } = gate;
    let failed = |why: String| Error::Local { why };
    clock.left(Phase::Connect)?;
    let (log, log_writer) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(format!("no pipe: {e}")))?;
    let mark = mark().map_err(|e| failed(format!("no random number: {e}")))?;
    let mut command = Command::new(&how.program);
    command
        .args(words)
        // ssh closes every other descriptor that it inherits, so it opens its end of the log by the
        // name of its stdin. It does not read that (-n), and our own /proc/PID/fd may be closed to
        // it (PR_SET_DUMPABLE).
        .args(["-n", "-E", "/proc/self/fd/0", "-o", "LogLevel=INFO"])
        .args(["-o", "PermitLocalCommand=yes", "-o", &format!("LocalCommand=echo {mark}")])
        .args(["--", &target.address, &request.to_string()])
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("SHELL", shell(gate))])
        .envs(
            ["SSH_AUTH_SOCK", "SSH_SK_PROVIDER"]
                .into_iter()
                .filter_map(|name| Some((name, env::var_os(name)?))),
        )
        .stdin(log_writer)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command
        .spawn()
        .map_err(|e| failed(format!("cannot run {}: {e}", how.program.display())))?;
    // It holds our copy of the log's writing end.
    drop(command);
    let mut running = Running { child };
    let piped =
        |what: Option<OwnedFd>| Stream::new(what.ok_or_else(|| failed("ssh has no pipe".into()))?);
    let out = piped(running.child.stdout.take().map(OwnedFd::from))?;
    let err = piped(running.child.stderr.take().map(OwnedFd::from))?;
    let mut streams =
        Streams { out, err, log: Stream::new(log)?, heard: Heard::new(), logged: Vec::new() };
    let timed_out = streams.listen(clock, watch);
    let status = running.end(if timed_out { Duration::ZERO } else { GRACE });
    // What was written until ssh was ended tells whether it had logged in.
    streams.drain(watch);
    let Streams { mut heard, logged, .. } = streams;
    let log = String::from_utf8_lossy(&logged).into_owned();
    let logged_in = heard.remove_mark(&mark) || log.contains(&mark);
    Ok(Ran { heard, log, status, timed_out, logged_in })
}

/// A word that nobody on the network knows. ssh has it printed once it has logged in, and waits for
/// that before it sends the question (ssh_config(5), LocalCommand). Its stdout holds nothing
/// before. If ssh cannot run the command, it logs the word.
fn mark() -> io::Result<String> {
    let mut random = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(random)))
}

/// The program that ssh calls with `-c` and a local command. `echo` prints it without a shell; only
/// the commands of a bastion and of a configuration need one.
fn shell(gate: &OpenSshGate) -> &'static str {
    if gate.how.config.is_none() && gate.target.via.is_none() { "/bin/echo" } else { "/bin/sh" }
}

/// What ssh writes, and what of it was read.
struct Streams {
    out: Stream,
    err: Stream,
    log: Stream,
    heard: Heard,
    logged: Vec<u8>,
}

impl Streams {
    /// Reads until the output ends, or for a moment longer than the answer, but never beyond the
    /// deadline. Returns whether that came before an answer.
    fn listen(&mut self, clock: &Clock, watch: &mut dyn FnMut(&str)) -> bool {
        let mut grace: Option<Instant> = None;
        loop {
            self.drain(watch);
            let now = Instant::now();
            let ended = self.out.ended && self.err.ended;
            if self.heard.too_much || ended || grace.is_some_and(|grace| grace <= now) {
                return false;
            }
            let Ok(left) = clock.left(Phase::Connect) else { return !self.heard.answered() };
            if self.heard.answered() || self.out.ended {
                grace.get_or_insert(now + GRACE);
            }
            let left = grace.map_or(left, |grace| left.min(grace.saturating_duration_since(now)));
            wait(&[&self.out, &self.err, &self.log], left);
        }
    }

    fn drain(&mut self, watch: &mut dyn FnMut(&str)) {
        let Streams { out, err, log, heard, logged } = self;
        out.drain(|bytes| heard.stdout(bytes, watch));
        err.drain(|bytes| heard.stderr(bytes));
        log.drain(|bytes| logged.extend(bytes.iter().take(LOG_KEPT.saturating_sub(logged.len()))));
    }
}

fn wait(streams: &[&Stream], left: Duration) {
    let open = streams.iter().filter(|stream| !stream.ended);
    let mut watched: Vec<_> =
        open.map(|stream| PollFd::from_borrowed_fd(stream.file.as_fd(), PollFlags::IN)).collect();
    let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    // Interrupted or not, the streams and the clock are looked at again.
    let _ = poll(&mut watched, Some(&timeout));
}

struct Stream {
    file: File,
    ended: bool,
}

impl Stream {
    fn new(fd: OwnedFd) -> Result<Stream, Error> {
        ioctl_fionbio(&fd, true)
            .map_err(|e| Error::Local { why: format!("a pipe cannot be prepared: {e}") })?;
        Ok(Stream { file: File::from(fd), ended: false })
    }

    /// Takes what is there, but no more than a pipe holds: a host that never stops writing must not
    /// keep us from the clock.
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

/// A running ssh; its whole process group ends with it, whatever happens here.
struct Running {
    child: Child,
}

impl Running {
    /// Gives it a moment to end by itself, then ends it.
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

impl Drop for Running {
    fn drop(&mut self) {
        // The group outlives its leader when a ProxyCommand does.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
