//! Starts threads with a small stack of fixed size.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Stack size in bytes. We do not use the default, because the environment can change it
/// (RUST_MIN_STACK).
const STACK: usize = 256 * 1024;

/// Runs `work` in a new thread.
///
/// # Errors
/// Fails if the system cannot create another thread.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().stack_size(STACK).spawn(work)
}
