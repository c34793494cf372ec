//! Compares the response with the spec and builds the result. The modules below use no clock, no
//! network and no files.

pub mod age;
pub mod body;
pub mod certificate;
pub mod failure;
pub mod json;
pub mod link;
pub mod perfdata;
pub mod response;
pub mod status;
