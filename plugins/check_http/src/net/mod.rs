//! Name resolution, sockets, TLS and proxy tunnels.

pub mod resolve;
pub mod socket;
pub mod tls;
pub mod tunnel;
