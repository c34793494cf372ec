//! Sends one request over an open connection and reads the response.
//!
//! ureq is the HTTP client and runs on our own transport. The transport sends our own request,
//! because servers and their filters rely on its exact bytes. It keeps the head as received and
//! counts the bytes, because users check both. It decodes the framing of the body more tolerantly
//! than ureq does, and gives ureq a replacement header that ureq accepts.

mod buffers;
pub mod exchange;
pub mod stream;
mod transport;
