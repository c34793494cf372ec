//! The network: name resolution, sockets, TLS, proxy tunnels.

pub mod resolve;
pub mod socket;
pub mod tls;
pub mod tunnel;
