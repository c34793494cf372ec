//! Threads with a small stack of a fixed size.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Bytes. The default could be set through the environment (RUST_MIN_STACK).
const STACK: usize = 256 * 1024;

/// Runs `work` in a thread of its own.
///
/// # Errors
/// The system has no room for another thread.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().stack_size(STACK).spawn(work)
}
