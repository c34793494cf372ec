//! Repeats attempts to connect when a busy sshd closes connections.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// The first pause between two attempts. Each further pause is twice as long. A busy sshd usually
/// accepts clients again after a second, but the penalties that sshd imposes last longer
/// (sshd_config(5), PerSourcePenalties).
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Repeats `attempt` as long as it fails with an error that [is passing](Error::is_passing), but
/// only during the first half of the time until `deadline`. The second half is left for the request
/// itself.
///
/// # Errors
/// Returns the error of the last attempt.
pub fn while_turned_away<T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let now = Instant::now();
    let until = now + deadline.saturating_duration_since(now) / 2;
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt() {
            Err(why) if why.is_passing() && Instant::now() + pause < until => {
                thread::sleep(pause);
                pause *= 2;
            }
            result => return result,
        }
    }
}
