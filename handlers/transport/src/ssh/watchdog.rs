//! The watchdog that enforces the deadline of a conversation from outside.
//!
//! libssh2's own timeout is per call and adds up, and one call may go on for as long as a host
//! keeps sending; only shutting the socket ends that.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::Error;

/// Shuts the socket when the deadline passes; stops when dropped.
pub(crate) struct Watchdog {
    order: Arc<(Mutex<Order>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Rest,
    Until(Instant),
    Stop,
}

impl Watchdog {
    pub(crate) fn new(link: &UnixStream) -> Result<Watchdog, Error> {
        let failed = |e: std::io::Error| Error::Local {
            why: format!("no watchdog for the connection: {e}"),
        };
        let link = link.try_clone().map_err(failed)?;
        let order = Arc::new((Mutex::new(Order::Rest), Condvar::new()));
        let watched = Arc::clone(&order);
        let builder = thread::Builder::new().name("ssh-deadline".into()).stack_size(64 * 1024);
        let thread = builder.spawn(move || watch(&link, &watched)).map_err(failed)?;
        Ok(Watchdog { order, thread: Some(thread) })
    }

    /// From now on the socket lives until then.
    pub(crate) fn until(&self, deadline: Instant) {
        self.tell(Order::Until(deadline));
    }

    /// Between two questions there is no deadline.
    pub(crate) fn rest(&self) {
        self.tell(Order::Rest);
    }

    fn tell(&self, order: Order) {
        *lock(&self.order.0) = order;
        self.order.1.notify_one();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.tell(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(link: &UnixStream, (order, changed): &(Mutex<Order>, Condvar)) {
    let mut current = lock(order);
    loop {
        current = match *current {
            Order::Stop => return,
            Order::Rest => changed.wait(current).unwrap_or_else(PoisonError::into_inner),
            Order::Until(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let _ = link.shutdown(Shutdown::Both);
                    *current = Order::Rest;
                    continue;
                }
                changed.wait_timeout(current, left).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

fn lock(order: &Mutex<Order>) -> MutexGuard<'_, Order> {
    order.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_read_that_nobody_answers_ends_at_the_deadline() {
        let (mut socket, _other_side) = UnixStream::pair().unwrap();
        let watchdog = Watchdog::new(&socket).unwrap();
        let begun = Instant::now();
        watchdog.until(begun + Duration::from_millis(100));
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
        assert!((100..60_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_watchdog_that_is_dropped_leaves_the_socket_alone() {
        let (socket, other_side) = UnixStream::pair().unwrap();
        let watchdog = Watchdog::new(&socket).unwrap();
        watchdog.until(Instant::now() + Duration::from_millis(50));
        drop(watchdog);
        other_side.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!((&other_side).read(&mut [0]).is_err(), "the socket was shut");
    }
}
