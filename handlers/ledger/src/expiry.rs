//! The rule that decides when records may expire. It is the same for all stores.

use std::time::Duration;

/// Records expire only if at least one record has an age between these two. Without this rule, the
/// whole history would be deleted when the clock jumps ahead. Younger records do not count, because
/// they may have been written after the jump.
pub(crate) const WITNESS_AGES: [Duration; 2] =
    [Duration::from_secs(24 * 3600), Duration::from_secs(30 * 24 * 3600)];
