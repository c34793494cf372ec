//! HTTP over any byte stream: requests, responses, redirects, cookies and decompression. These
//! modules do not depend on sockets or command line options.

pub mod connection;
pub mod cookies;
pub mod decompression;
pub mod digest;
pub mod framing;
pub mod idn;
pub mod redirect;
pub mod request;
pub mod response;
pub mod target;
