//! Runs work that may never end.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Returns the result of `work`, or `None` after `timeout`. The work is abandoned then, and ends
/// with the process.
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
    fn abandons_work_at_the_timeout() {
        assert_eq!(run(Duration::from_secs(10), || 7), Some(7));
        assert_eq!(run(Duration::from_millis(20), || thread::sleep(Duration::from_secs(60))), None);
    }
}
