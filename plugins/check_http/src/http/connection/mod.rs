//! Sends one request over an open connection and reads its response.
//!
//! We do not use an HTTP library, for three reasons. Servers and their filters rely on the exact
//! bytes of the request, users check the exact bytes of the response, and real servers deviate from
//! the RFCs.

pub mod exchange;
mod reader;
pub mod stream;
