//! Waiting for something to become so, by looking often; never by sleeping long enough.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// However little is to be waited for: on a busy machine everything takes its time, and what comes
/// is not waited for longer.
const LEAST: Duration = Duration::from_secs(180);

/// Looks until `what` gives something, or panics after `limit` naming what was waited for.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    let limit = limit.max(LEAST);
    within(limit, look).unwrap_or_else(|| panic!("waited {limit:?} in vain for: {what}"))
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C and TERM end a wait by unwinding, so that the lab is cleaned up on the way.
pub fn clean_up_when_interrupted() {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .expect("one handler of signals");
}

/// Whether one of them has come.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Looks until there is something, or `limit` has passed.
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
