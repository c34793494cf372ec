//! Waits for conditions by polling instead of sleeping for a fixed time.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The shortest time limit that any wait uses. A busy machine can be very slow, and a long limit
/// costs nothing if the condition becomes true early.
const LEAST: Duration = Duration::from_secs(180);

/// Polls until `look` returns a value. If it has not done so within `limit`, panics with the
/// description `what`.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    let limit = limit.max(LEAST);
    within(limit, look).unwrap_or_else(|| panic!("waited {limit:?} in vain for: {what}"))
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Installs a handler for SIGINT and SIGTERM. After a signal, the current wait panics, and
/// unwinding cleans up the lab.
pub fn clean_up_when_interrupted() {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .expect("a single signal handler");
}

/// Whether SIGINT or SIGTERM has arrived.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Polls until `look` returns a value. Returns `None` if it has not done so within `limit`.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if interrupted() {
            resume_unwind(Box::new("interrupted"));
        }
        if begun.elapsed() >= limit {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
