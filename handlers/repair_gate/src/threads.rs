//! Starts threads with a small stack of fixed size.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Stack size in bytes. The default is not used, because the environment can set it
/// (RUST_MIN_STACK).
const STACK: usize = 256 * 1024;

/// Runs `work` in a new thread.
///
/// # Errors
/// The system cannot create another thread.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().stack_size(STACK).spawn(work)
}
