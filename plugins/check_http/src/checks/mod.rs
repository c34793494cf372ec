//! Compares the response with the spec and builds the result. Its modules do no I/O and do not read
//! the clock.

pub mod age;
pub mod body;
pub mod certificate;
pub mod failure;
pub mod json;
pub mod link;
pub mod perfdata;
pub mod response;
pub mod status;
