//! Doing something that may never come back.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What `work` gives, or `None` after `limit`. It is left behind then, and ends with the process.
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let _ = tell.send(work());
    });
    told.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_not_waited_for() {
        assert_eq!(within(Duration::from_secs(10), || 7), Some(7));
        assert_eq!(
            within(Duration::from_millis(20), || thread::sleep(Duration::from_secs(60))),
            None
        );
    }
}
