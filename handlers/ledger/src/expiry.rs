//! The rule that decides when records may expire. It is the same for all stores.

use std::time::Duration;

/// Records expire only if at least one record has an age between these two. If the clock jumps
/// ahead, all records from before the jump look too old, and the whole history would be deleted. A
/// record of medium age shows that there was no such jump. A younger record does not show it,
/// because it may have been written after the jump.
pub(crate) const WITNESS_AGES: [Duration; 2] =
    [Duration::from_secs(24 * 3600), Duration::from_secs(30 * 24 * 3600)];
