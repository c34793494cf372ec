//! c

pub mod buffers;
pub mod exchange;
pub mod transport;
