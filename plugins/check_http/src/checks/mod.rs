//! Compares what was observed with the spec. Pure: no clock, no network, no files.

pub mod age;
pub mod body;
pub mod certificate;
pub mod failure;
pub mod json;
pub mod link;
pub mod perfdata;
pub mod response;
pub mod status;
