//! The interface to the monitoring engine. An [`Engine`] returns an object's current condition for
//! a decision, and receives a report when a repair ends. [`NagiosFiles`] implements it for Nagios,
//! Naemon and Icinga 1, which use the same files. [`Icinga2`] implements it with Icinga 2's REST
//! API. [`engine_of`] returns the engine that the policy configures.
//!
//! The other public modules read and write Nagios' files. The admin programs use these modules
//! directly.

pub mod account;
pub mod command_file;
pub mod configuration;
mod configured;
mod error;
mod icinga2;
mod interface;
mod line_buffer;
pub mod log;

mod nagios_files;
mod notification;
mod status;
pub mod status_file;
pub mod status_snapshot;

pub use configured::{engine_of, read_only_engine_of};
pub use error::Error;
pub use icinga2::{ApiError, ApiUserInfo, Icinga2, RepairSettings};
pub use interface::Engine;

pub use nagios_files::NagiosFiles;
pub use notification::Notification;
pub use status::{EngineSummary, ObjectKey, ObjectReport, ObjectStatus, ProgramStatus};
