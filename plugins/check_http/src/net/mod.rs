//! n

pub mod resolve;
pub mod socket;
pub mod tls;
pub mod tunnel;
