//! Reads Nagios' log. This includes the current file and the archives, which can be compressed.

mod entry;
mod files;
mod lines;

pub use entry::{LogEntry, LogEvent, StateChange, parse, timestamp};
pub use files::{LogError, LogFile, in_order, open};
pub use lines::LogLines;
