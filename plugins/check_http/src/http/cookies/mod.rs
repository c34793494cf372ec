//! c

pub mod cookie;
pub mod jar;
