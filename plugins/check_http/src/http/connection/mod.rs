//! One request and its response over an open connection.
//!
//! ureq is the client, over a transport of ours. Users search the status line, the header and the
//! byte count as they arrived, and requests have to stay byte for byte what servers and their
//! filters know. So the transport writes our request, keeps the raw header and the raw count,
//! removes the framing of the body more tolerantly than ureq would, and passes ureq a header that
//! it accepts.

mod buffers;
pub mod exchange;
pub mod stream;
mod transport;
