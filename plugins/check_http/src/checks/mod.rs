//! c

pub mod age;
pub mod certificate;
pub mod failure;
pub mod json;
pub mod response;
