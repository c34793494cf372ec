//! One run of `ssh`: in its own process group, within the deadline, with its own log apart from what the host writes.

use std::env;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};

use super::OpenSshGate;
use crate::clock::Clock;
use crate::heard::{GRACE, Heard};
use crate::{Error, Phase, Request};

/// How much of the log is kept; ssh writes a few lines.
const LOG_KEPT: usize = 64 * 1024;

/// What a run of `ssh` left.
pub(super) struct Ran {
    pub(super) heard: Heard,
    /// What ssh itself said. With the host's stderr apart, nothing a host writes can be taken for it.
    pub(super) log: String,
    pub(super) status: Option<ExitStatus>,
    pub(super) timed_out: bool,
}

/// Runs `ssh` for one question to this gate.
pub(super) fn run(gate: &OpenSshGate, request: &Request, clock: &Clock, watch: &mut dyn FnMut(&str)) -> Result<Ran, Error> {
    let OpenSshGate { how, target, words } = gate;
    let failed = |why: String| Error::Local { why };
    let left = clock.left(Phase::Connect)?;
    let (log, log_writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(format!("no pipe: {e}")))?;
    // ssh closes every descriptor it inherits, so it opens its end of the log by name.
    let log_name = format!("/proc/{}/fd/{}", std::process::id(), log_writer.as_raw_fd());
    let mut command = Command::new(&how.program);
    command
        .args(words)
        .args(["-E", &log_name, "-o", "LogLevel=VERBOSE", "-o", &format!("ConnectTimeout={}", left.as_secs().max(1))])
        .args(["--", &target.address, &request.to_string()])
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("SHELL", "/bin/sh")])
        .envs(["SSH_AUTH_SOCK", "SSH_SK_PROVIDER"].into_iter().filter_map(|name| Some((name, env::var_os(name)?))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().map_err(|e| failed(format!("cannot run {}: {e}", how.program.display())))?;
    let mut running = Running { child };
    let piped = |what: Option<OwnedFd>| Stream::new(what.ok_or_else(|| failed("ssh has no pipe".into()))?);
    let out = piped(running.child.stdout.take().map(OwnedFd::from))?;
    let err = piped(running.child.stderr.take().map(OwnedFd::from))?;
    let (heard, log, timed_out) = listen(out, err, Stream::new(log)?, clock, watch);
    // Its side of the log stays open until ssh has opened it, which is before it writes anything.
    drop(log_writer);
    let status = running.end(if timed_out { Duration::ZERO } else { GRACE });
    Ok(Ran { heard, log, status, timed_out })
}

/// Reads until the output ends, or for a moment longer than the answer, but never beyond the deadline.
fn listen(
    mut out: Stream,
    mut err: Stream,
    mut log: Stream,
    clock: &Clock,
    watch: &mut dyn FnMut(&str),
) -> (Heard, String, bool) {
    let (mut heard, mut logged) = (Heard::new(), Vec::new());
    let mut grace: Option<Instant> = None;
    let timed_out = loop {
        out.drain(|bytes| heard.stdout(bytes, watch));
        err.drain(|bytes| heard.stderr(bytes));
        log.drain(|bytes| logged.extend(bytes.iter().take(LOG_KEPT.saturating_sub(logged.len()))));
        let now = Instant::now();
        if heard.too_much || (out.ended && err.ended) || grace.is_some_and(|grace| grace <= now) {
            break false;
        }
        let Ok(left) = clock.left(Phase::Connect) else { break !heard.answered() };
        if heard.answered() || out.ended {
            grace.get_or_insert(now + GRACE);
        }
        wait(&[&out, &err, &log], grace.map_or(left, |grace| left.min(grace.saturating_duration_since(now))));
    };
    log.drain(|bytes| logged.extend(bytes.iter().take(LOG_KEPT.saturating_sub(logged.len()))));
    (heard, String::from_utf8_lossy(&logged).into_owned(), timed_out)
}

fn wait(streams: &[&Stream], left: Duration) {
    let open = streams.iter().filter(|stream| !stream.ended);
    let mut watched: Vec<_> = open.map(|stream| PollFd::from_borrowed_fd(stream.file.as_fd(), PollFlags::IN)).collect();
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
        ioctl_fionbio(&fd, true).map_err(|e| Error::Local { why: format!("a pipe cannot be prepared: {e}") })?;
        Ok(Stream { file: File::from(fd), ended: false })
    }

    /// Takes what is there, but no more than a pipe holds: a host that never stops writing must not keep us from the clock.
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
