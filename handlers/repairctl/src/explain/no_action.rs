//! Why nothing would be done.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Why nothing would be done.
#[derive(Serialize, Deserialize)]
pub struct NoAction {
    /// The code of the reason.
    pub code: String,
    /// The reason, for people.
    pub text: String,
    /// Whether it is in order.
    pub recovered: bool,
    /// When the reason will have passed, if time alone ends it; two of them start anew with every
    /// sign of trouble.
    pub allowed_at: Option<SystemTime>,
}
