//! Waiting for something to become so, by looking often; never by sleeping long enough.

use std::thread;
use std::time::{Duration, Instant};

/// Looks until `what` gives something, or panics after `limit` naming what was waited for.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    within(limit, look).unwrap_or_else(|| panic!("waited {limit:?} in vain for: {what}"))
}

/// Looks until there is something, or `limit` has passed.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
