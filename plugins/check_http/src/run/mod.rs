//! r

pub mod all_addresses;
pub mod check;
pub mod connect;
pub mod exec;
