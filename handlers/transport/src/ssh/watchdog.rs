//! Shuts down a connection's socket at the deadline.
//!
//! libssh2's own timeout applies to each call, so the timeouts of several calls add up. A single
//! call can also last as long as the host keeps sending. The only way to end such a call is to shut
//! down the socket.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::error::Error;

/// Shuts down a socket when the deadline passes. Dropping the watchdog leaves the socket open.
pub(crate) struct Watchdog {
    state: Arc<(Mutex<WatchdogState>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

enum WatchdogState {
    Disarmed,
    Armed(Instant),
    Stopped,
}

impl Watchdog {
    pub(crate) fn new(socket: &UnixStream) -> Result<Watchdog, Error> {
        let failed = |e: std::io::Error| Error::Local {
            why: format!("cannot start the watchdog for the connection: {e}"),
        };
        let socket = socket.try_clone().map_err(failed)?;
        let state = Arc::new((Mutex::new(WatchdogState::Disarmed), Condvar::new()));
        let watched = Arc::clone(&state);
        let builder = thread::Builder::new().name("ssh-deadline".into()).stack_size(64 * 1024);
        let thread = builder.spawn(move || watch(&socket, &watched)).map_err(failed)?;
        Ok(Watchdog { state, thread: Some(thread) })
    }

    /// Sets the deadline at which the socket is shut down.
    pub(crate) fn arm(&self, deadline: Instant) {
        self.set(WatchdogState::Armed(deadline));
    }

    /// Removes the deadline while the connection is idle between two requests.
    pub(crate) fn disarm(&self) {
        self.set(WatchdogState::Disarmed);
    }

    fn set(&self, state: WatchdogState) {
        *lock(&self.state.0) = state;
        self.state.1.notify_one();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.set(WatchdogState::Stopped);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(socket: &UnixStream, (state, changed): &(Mutex<WatchdogState>, Condvar)) {
    let mut current = lock(state);
    loop {
        current = match *current {
            WatchdogState::Stopped => return,
            WatchdogState::Disarmed => {
                changed.wait(current).unwrap_or_else(PoisonError::into_inner)
            }
            WatchdogState::Armed(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let _ = socket.shutdown(Shutdown::Both);
                    *current = WatchdogState::Disarmed;
                    continue;
                }
                changed.wait_timeout(current, left).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

fn lock(state: &Mutex<WatchdogState>) -> MutexGuard<'_, WatchdogState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    #[test]
    fn ends_a_read_at_the_deadline() {
        let (mut socket, _other_side) = UnixStream::pair().unwrap();
        let watchdog = Watchdog::new(&socket).unwrap();
        let begun = Instant::now();
        watchdog.arm(begun + Duration::from_millis(100));
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
        assert!((100..60_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }

    #[test]
    fn leaves_the_socket_alone_when_dropped() {
        let (socket, other_side) = UnixStream::pair().unwrap();
        let watchdog = Watchdog::new(&socket).unwrap();
        watchdog.arm(Instant::now() + Duration::from_millis(50));
        drop(watchdog);
        other_side.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!((&other_side).read(&mut [0]).is_err(), "the socket was shut");
    }
}
