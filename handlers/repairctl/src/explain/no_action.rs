//! The decision not to repair an object, with its reason.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Why `handle_repair` would do nothing about an event.
#[derive(Serialize, Deserialize)]
pub struct NoAction {
    /// The reason code, for example `cooling-down`.
    pub code: String,
    /// The reason as a sentence for the admin.
    pub text: String,
    /// Whether the reason is that the object is in a good state.
    pub recovered: bool,
    /// When a repair is allowed again, if this depends on time alone. If the breaker is open or the
    /// incident's budget is used up, every new fault postpones this time.
    pub allowed_at: Option<SystemTime>,
}
