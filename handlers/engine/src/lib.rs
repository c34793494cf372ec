//! The interface to the monitoring engine. An [`Engine`] returns an object's current condition for
//! a decision, and receives a report when a repair ends. [`NagiosFiles`] implements it for Nagios,
//! Naemon and Icinga 1, which use the same files.
//!
//! The public modules read and write these files. The admin programs use these modules directly.

pub mod account;
pub mod command_file;
pub mod configuration;
mod error;
mod interface;
mod line_buffer;
pub mod log;

mod nagios_files;
mod notification;
pub mod status_file;
pub mod status_snapshot;

pub use error::Error;
pub use interface::Engine;

pub use nagios_files::NagiosFiles;
pub use notification::Notification;
