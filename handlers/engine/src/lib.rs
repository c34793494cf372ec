//! What the monitoring engine knows and is told. An [`Engine`] answers what a decision wants to
//! know of an object, and takes the report of a repair's end. [`NagiosFiles`] is that of Nagios,
//! Naemon and Icinga 1, which read and write the same files. The public modules are the readers of
//! these files, for the programs of an admin.

pub mod account;
pub mod command_file;
pub mod configuration;
mod error;
mod interface;
mod lines;
pub mod log;

mod nagios_files;
mod notification;
pub mod status_file;
pub mod status_snapshot;

pub use error::Error;
pub use interface::Engine;

pub use nagios_files::NagiosFiles;
pub use notification::Notification;
