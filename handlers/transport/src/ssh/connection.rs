//! libssh2 without blocking: every step is driven by poll(2) until it is done or the deadline has
//! passed.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use ssh2::{BlockDirections, ErrorCode, Session};

use super::relay::{self, Far, Intake};
use super::watchdog::Watchdog;
use crate::deadline::Clock;
use crate::text::clean;
use crate::{Error, Phase};

/// Error numbers of libssh2.h that tell what to do.
pub(crate) mod code {
    pub(crate) const SOCKET_SEND: i32 = -7;
    pub(crate) const SOCKET_DISCONNECT: i32 = -13;
    pub(crate) const FILE: i32 = -16;
    pub(crate) const METHOD_NONE: i32 = -17;
    pub(crate) const AUTHENTICATION_FAILED: i32 = -18;
    pub(crate) const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub(crate) const CHANNEL_FAILURE: i32 = -21;
    pub(crate) const CHANNEL_REQUEST_DENIED: i32 = -22;
    pub(crate) const CHANNEL_CLOSED: i32 = -26;
    pub(crate) const AGAIN: i32 = -37;
    pub(crate) const SOCKET_RECV: i32 = -43;
    pub(crate) const KEYFILE_AUTH_FAILED: i32 = -48;
}

/// What a host may send before it has let us in: keys and a banner are a few KiB.
const LOGIN_MOST: usize = 1024 * 1024;
/// What a host may send for one question, most of it stderr that is read and forgotten.
const QUESTION_MOST: usize = 32 * 1024 * 1024;
/// So many questions whether it is still there may a host leave without a sign of life.
const UNANSWERED: u32 = 4;

/// A session on a socket, with the clock of the question that is being asked.
pub(crate) struct Wire {
    pub(crate) session: Session,
    link: UnixStream,
    intake: Intake,
    watchdog: Watchdog,
    clock: Clock,
    heard: Instant,
    keepalive: Duration,
    abandoned: bool,
}

impl Wire {
    pub(super) fn new(far: impl Far, clock: Clock, keepalive: Duration) -> Result<Wire, Error> {
        let intake = Intake::default();
        intake.allow(LOGIN_MOST);
        let link = relay::start(far, &intake)?;
        let failed = |why: String| Error::Local { why: format!("no SSH session: {why}") };
        let watchdog = Watchdog::new(&link)?;
        watchdog.until(clock.deadline());
        let mut session = Session::new().map_err(|e| failed(e.to_string()))?;
        session.set_tcp_stream(link.try_clone().map_err(|e| failed(e.to_string()))?);
        session.set_blocking(false);
        let keepalive = Duration::from_secs(keepalive.as_secs().max(2));
        session.set_keepalive(true, u32::try_from(keepalive.as_secs()).unwrap_or(u32::MAX));
        Ok(Wire {
            session,
            link,
            intake,
            watchdog,
            clock,
            heard: Instant::now(),
            keepalive,
            abandoned: false,
        })
    }

    pub(crate) fn host(&self) -> &str {
        self.clock.host()
    }

    /// A new question begins, with its own deadline.
    pub(crate) fn begin(&mut self, deadline: Instant) {
        self.clock = Clock::new(self.clock.host(), deadline);
        self.watchdog.until(deadline);
        self.heard = Instant::now();
        self.allow(QUESTION_MOST);
    }

    /// Whether the host was hung up on because it sent too much.
    pub(crate) fn flooded(&self) -> bool {
        self.intake.spent()
    }

    /// The first bytes the host sent.
    pub(crate) fn head(&self) -> Vec<u8> {
        self.intake.head()
    }

    /// Whether the host has hung up, or was hung up on.
    pub(crate) fn ended(&self) -> bool {
        let mut watched = [PollFd::new(&self.link, PollFlags::empty())];
        // What it said before may still be unread, so a read would not tell.
        matches!(poll(&mut watched, Some(&Timespec::default())), Ok(1..))
    }

    /// So much may the host send from now on.
    pub(crate) fn allow(&self, bytes: usize) {
        self.intake.allow(bytes);
    }

    /// The question is answered; the connection may be idle for as long as it is needed.
    pub(crate) fn rest(&self) {
        self.watchdog.rest();
    }

    /// Repeats one libssh2 call until it is done. The error is for the caller to judge; waiting too
    /// long is not.
    pub(crate) fn drive<T>(
        &mut self,
        phase: Phase,
        mut step: impl FnMut(&mut Session) -> Result<T, ssh2::Error>,
    ) -> Result<Result<T, Failure>, Error> {
        loop {
            match step(&mut self.session) {
                Err(e) if again(&e) => self.wait(phase, None)?,
                Err(e) => {
                    // The watchdog's work looks like a cut link.
                    self.clock.left(phase)?;
                    return Ok(Err(Failure::new(&e)));
                }
                Ok(done) => return Ok(Ok(done)),
            }
        }
    }

    /// Waits until the host has said something, or can be told something, but not beyond `until` or
    /// the deadline.
    pub(crate) fn wait(&mut self, phase: Phase, until: Option<Instant>) -> Result<(), Error> {
        let mut left = self.clock.left(phase)?.min(self.keepalive);
        if let Some(until) = until {
            left = left.min(until.saturating_duration_since(Instant::now()));
        }
        let direction = match self.session.block_directions() {
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
        };
        let mut watched = [PollFd::new(&self.link, direction)];
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut watched, Some(&timeout)) {
            Ok(0) => self.keepalive(phase, direction),
            Ok(_) => {
                self.heard = Instant::now();
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            // A repair may have been asked for by now: this must not say that nothing was run.
            Err(e) => Err(self.cut(phase, &format!("it cannot be watched any more: {e}"))),
        }
    }

    /// A long repair is silent, a host that went away is too: ask, and give up on one that does not
    /// even answer that.
    fn keepalive(&mut self, phase: Phase, direction: PollFlags) -> Result<(), Error> {
        if !matches!(phase, Phase::Ask | Phase::Repair) {
            return Ok(());
        }
        let silence = self.keepalive * (UNANSWERED + 1);
        if self.heard.elapsed() >= silence {
            return Err(self.cut(phase, &format!("it gave no sign of life for {silence:?}")));
        }
        // libssh2 sends it when its interval is over; a packet that is half sent must be finished
        // first.
        if direction == PollFlags::IN {
            let _ = self.session.keepalive_send();
        }
        Ok(())
    }

    pub(crate) fn cut(&self, phase: Phase, detail: &str) -> Error {
        let detail = if self.flooded() { "it sent more than any host has to say" } else { detail };
        Error::Cut { host: self.host().into(), phase, detail: clean(detail) }
    }

    /// The error for a failure that has no special meaning in its phase.
    pub(crate) fn error(&self, phase: Phase, failure: &Failure) -> Error {
        let ended = self.ended()
            || matches!(
                failure.number,
                code::SOCKET_SEND
                    | code::SOCKET_DISCONNECT
                    | code::SOCKET_RECV
                    | code::CHANNEL_CLOSED
            )
            || failure.text.starts_with("Waiting for");
        if ended {
            return self.cut(phase, &failure.text);
        }
        Error::Protocol { host: self.host().into(), phase, detail: failure.to_string() }
    }

    pub(crate) fn past(&self, phase: Phase) -> Result<(), Error> {
        self.left(phase).map(drop)
    }

    pub(crate) fn left(&self, phase: Phase) -> Result<Duration, Error> {
        self.clock.left(phase)
    }

    pub(crate) fn timeout(&self, phase: Phase) -> Error {
        self.clock.timeout(phase)
    }

    pub(crate) fn link(&self) -> &UnixStream {
        &self.link
    }

    /// Somebody else holds the session and may never let go of it: from now on it is not touched.
    pub(crate) fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for Wire {
    /// libssh2 frees a session only after it has closed its channels, for which it waits if it can.
    /// On a socket that is shut it cannot, so nothing here waits for the host.
    fn drop(&mut self) {
        if !self.abandoned {
            let _ = self.session.disconnect(None, "done", None);
        }
        let _ = self.link.shutdown(Shutdown::Both);
    }
}

/// What libssh2 said went wrong.
pub(crate) struct Failure {
    pub(crate) number: i32,
    text: String,
}

impl Failure {
    pub(crate) fn new(error: &ssh2::Error) -> Failure {
        Failure { number: number(error), text: clean(error.message()) }
    }

    /// Whether this is the host's no to a key. Of the calls that end with the second number, only
    /// waiting for a reply has to do with the connection.
    pub(crate) fn is_refusal(&self) -> bool {
        self.number == code::AUTHENTICATION_FAILED
            || (self.number == code::PUBLICKEY_UNVERIFIED && !self.text.starts_with("Waiting for"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, libssh2 error {}", self.text, self.number)
    }
}

/// Nothing is wrong: the host has to be waited for.
pub(crate) fn again(error: &ssh2::Error) -> bool {
    number(error) == code::AGAIN
}

fn number(error: &ssh2::Error) -> i32 {
    match error.code() {
        ErrorCode::Session(number) | ErrorCode::SFTP(number) => number,
    }
}
