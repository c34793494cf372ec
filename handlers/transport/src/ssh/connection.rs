//! A non-blocking libssh2 session. Each call is repeated after poll(2) until it succeeds or fails,
//! or until the deadline passes.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use ssh2::{BlockDirections, ErrorCode, Session};

use super::kexinit;
use super::relay::{self, ReceiveLimit, Remote};
use super::watchdog::Watchdog;
use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::text::clean;

/// The error numbers in libssh2.h that this crate handles specially.
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

/// How many bytes a host may send before the login. A key exchange and a banner need only a few
/// KiB.
const LOGIN_LIMIT: usize = 1024 * 1024;
/// How many bytes a host may send during one request. Most of this is for stderr, which is read and
/// discarded.
const REQUEST_LIMIT: usize = 32 * 1024 * 1024;
/// After this many unanswered keepalive requests, a connection counts as cut.
const MAX_UNANSWERED: u32 = 4;

/// An SSH session over a relayed socket, and the deadline of the current request.
pub(crate) struct Connection {
    pub(crate) session: Session,
    socket: UnixStream,
    limit: ReceiveLimit,
    watchdog: Watchdog,
    pub(crate) deadline: RequestDeadline,
    last_activity: Instant,
    keepalive: Duration,
    abandoned: bool,
}

impl Connection {
    pub(super) fn new(
        remote: impl Remote,
        deadline: RequestDeadline,
        keepalive: Duration,
    ) -> Result<Connection, Error> {
        let limit = ReceiveLimit::default();
        limit.allow(LOGIN_LIMIT);
        let socket = relay::start(remote, &limit)?;
        let failed =
            |why: String| Error::Local { why: format!("cannot create an SSH session: {why}") };
        let watchdog = Watchdog::new(&socket)?;
        watchdog.arm(deadline.instant());
        let mut session = Session::new().map_err(|e| failed(e.to_string()))?;
        session.set_tcp_stream(socket.try_clone().map_err(|e| failed(e.to_string()))?);
        session.set_blocking(false);
        let keepalive = Duration::from_secs(keepalive.as_secs().max(2));
        session.set_keepalive(true, u32::try_from(keepalive.as_secs()).unwrap_or(u32::MAX));
        Ok(Connection {
            session,
            socket,
            limit,
            watchdog,
            deadline,
            last_activity: Instant::now(),
            keepalive,
            abandoned: false,
        })
    }

    pub(crate) fn host(&self) -> &str {
        self.deadline.host()
    }

    /// Prepares the connection for a new request with its own deadline.
    pub(crate) fn begin(&mut self, deadline: Instant) {
        self.deadline = RequestDeadline::new(self.deadline.host(), deadline);
        self.watchdog.arm(deadline);
        self.last_activity = Instant::now();
        self.allow(REQUEST_LIMIT);
    }

    /// Whether the relay closed the connection because the host exceeded its limit.
    fn flooded(&self) -> bool {
        self.limit.reached()
    }

    /// Returns the first bytes that the host sent. Anyone on the network can have forged them.
    pub(crate) fn head(&self) -> Vec<u8> {
        self.limit.head()
    }

    /// Whether either side has closed the connection.
    fn ended(&self) -> bool {
        let mut watched = [PollFd::new(&self.socket, PollFlags::empty())];
        // poll(2) reports a hangup even while received bytes are still unread. A read would not
        // report it.
        matches!(poll(&mut watched, Some(&Timespec::default())), Ok(1..))
    }

    /// Sets how many bytes the host may still send.
    pub(crate) fn allow(&self, bytes: usize) {
        self.limit.allow(bytes);
    }

    /// Removes the deadline after an answer, so that the connection can stay idle until the next
    /// request.
    pub(crate) fn rest(&self) {
        self.watchdog.disarm();
    }

    /// Repeats one libssh2 call until it is done. The outer error means that the deadline passed or
    /// the connection ended. The inner error means any other failure, which the caller has to
    /// interpret.
    pub(crate) fn drive<T>(
        &mut self,
        phase: Phase,
        mut step: impl FnMut(&mut Session) -> Result<T, ssh2::Error>,
    ) -> Result<Result<T, Ssh2Failure>, Error> {
        loop {
            match step(&mut self.session) {
                Err(e) if again(&e) => self.wait(phase, None)?,
                Err(e) => {
                    // After the watchdog has shut down the socket, libssh2 reports a cut
                    // connection. Report a timeout instead.
                    self.deadline.left(phase)?;
                    return Ok(Err(Ssh2Failure::new(&e)));
                }
                Ok(done) => return Ok(Ok(done)),
            }
        }
    }

    /// Waits until the session can read or write, but not beyond `until` or the deadline.
    pub(crate) fn wait(&mut self, phase: Phase, until: Option<Instant>) -> Result<(), Error> {
        let mut left = self.deadline.left(phase)?.min(self.keepalive);
        if let Some(until) = until {
            left = left.min(until.saturating_duration_since(Instant::now()));
        }
        let direction = match self.session.block_directions() {
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
        };
        let mut watched = [PollFd::new(&self.socket, direction)];
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut watched, Some(&timeout)) {
            Ok(0) => self.keep_alive(phase, direction),
            Ok(_) => {
                self.last_activity = Instant::now();
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            // A repair may already have been requested, so `Error::Local` would be wrong here: it
            // claims that nothing was run.
            Err(e) => Err(self.cut(phase, &format!("poll failed: {e}"))),
        }
    }

    /// Sends a keepalive request. The answer shows that the link is alive, even if a long repair
    /// prints nothing. Gives up on a host that has left [`MAX_UNANSWERED`] requests unanswered.
    fn keep_alive(&mut self, phase: Phase, direction: PollFlags) -> Result<(), Error> {
        if !matches!(phase, Phase::Query | Phase::Repair) {
            return Ok(());
        }
        let silence = self.keepalive * (MAX_UNANSWERED + 1);
        if self.last_activity.elapsed() >= silence {
            return Err(self.cut(phase, &format!("no data was received for {silence:?}")));
        }
        // Send a keepalive only if the session is waiting to read. If it is waiting to write, it
        // must first finish the packet that it has partly sent. A call that comes too early does no
        // harm, because libssh2 sends nothing before the keepalive interval is over.
        if direction == PollFlags::IN {
            let _ = self.session.keepalive_send();
        }
        Ok(())
    }

    pub(crate) fn cut(&self, phase: Phase, detail: &str) -> Error {
        let detail = if self.flooded() { "the host sent more data than allowed" } else { detail };
        Error::Cut { host: self.host().into(), phase, detail: clean(detail) }
    }

    /// Converts a failure that has no special meaning in `phase` into an error.
    pub(crate) fn error(&self, phase: Phase, failure: &Ssh2Failure) -> Error {
        let ended = self.ended()
            || matches!(
                failure.number,
                code::SOCKET_SEND
                    | code::SOCKET_DISCONNECT
                    | code::SOCKET_RECV
                    | code::CHANNEL_CLOSED
            )
            || failure.text.starts_with("Waiting for");
        if ended && phase == Phase::Handshake && !self.flooded() {
            let text = kexinit::greeting(&self.head());
            let detail = text.map(|text| format!("the host sent this unverified text: {text}"));
            let detail = detail.unwrap_or_else(|| failure.text.clone());
            return Error::TurnedAway { host: self.host().into(), detail };
        }
        if ended {
            return self.cut(phase, &failure.text);
        }
        Error::Protocol { host: self.host().into(), phase, detail: failure.to_string() }
    }

    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Gives up the session, because another thread may hold its lock forever. After that, the
    /// connection never calls libssh2 again, not even when it is dropped.
    pub(crate) fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for Connection {
    /// Shuts down the socket before the session is freed. Otherwise libssh2 would first close the
    /// session's channels and wait for the host.
    fn drop(&mut self) {
        if !self.abandoned {
            let _ = self.session.disconnect(None, "done", None);
        }
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// An error from a libssh2 call.
pub(crate) struct Ssh2Failure {
    pub(crate) number: i32,
    text: String,
}

impl Ssh2Failure {
    pub(crate) fn new(error: &ssh2::Error) -> Ssh2Failure {
        Ssh2Failure { number: number(error), text: clean(error.message()) }
    }

    /// Whether the host refused a key. `PUBLICKEY_UNVERIFIED` alone does not show this, because
    /// libssh2 also returns it if the connection fails before the reply.
    pub(crate) fn is_refusal(&self) -> bool {
        self.number == code::AUTHENTICATION_FAILED
            || (self.number == code::PUBLICKEY_UNVERIFIED && !self.text.starts_with("Waiting for"))
    }
}

impl std::fmt::Display for Ssh2Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, libssh2 error {}", self.text, self.number)
    }
}

/// Whether libssh2 wants the call repeated once the socket is ready.
pub(crate) fn again(error: &ssh2::Error) -> bool {
    number(error) == code::AGAIN
}

fn number(error: &ssh2::Error) -> i32 {
    match error.code() {
        ErrorCode::Session(number) | ErrorCode::SFTP(number) => number,
    }
}
