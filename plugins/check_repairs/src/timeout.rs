//! Runs a function that may never return.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Runs `work` in a thread and returns its result. If that takes longer than `timeout`, returns
/// `None`. The thread then keeps running until the process ends.
pub fn run<T: Send + 'static>(
    timeout: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(work());
    });
    receiver.recv_timeout(timeout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_none_after_timeout() {
        assert_eq!(run(Duration::from_secs(10), || 7), Some(7));
        assert_eq!(run(Duration::from_millis(20), || thread::sleep(Duration::from_secs(60))), None);
    }
}
