//! How messages display durations.

use core::fmt;
use core::time::Duration;

/// Displays a duration, rounded up: `90 s`, `12 min` or `3.5 h`.
pub struct Rounded(pub Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        match seconds {
            0..=120 => write!(f, "{seconds} s"),
            121..=7200 => write!(f, "{} min", seconds.div_ceil(60)),
            _ => {
                let tenths = seconds.div_ceil(360);
                let rest = tenths % 10;
                if rest == 0 {
                    write!(f, "{} h", tenths / 10)
                } else {
                    write!(f, "{}.{rest} h", tenths / 10)
                }
            }
        }
    }
}
