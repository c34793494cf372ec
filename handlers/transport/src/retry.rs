//! Further tries at a host that turns us away for the moment.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// The first pause; each one is twice as long as the one before. An sshd that is merely busy has
/// room again after a second; its penalties last longer (sshd_config(5), PerSourcePenalties).
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Repeats `attempt` while its error [is passing](Error::is_passing), until half of the time to
/// `deadline` is over: the other half is for what is then requested.
///
/// # Errors
/// The error of the last attempt.
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
