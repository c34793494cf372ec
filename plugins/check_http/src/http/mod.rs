//! HTTP over any stream of bytes: requests, responses, redirects, cookies, decompression. Knows no
//! sockets and no options.

pub mod connection;
pub mod cookies;
pub mod decompression;
pub mod framing;
pub mod redirect;
pub mod request;
pub mod response;
pub mod target;
