//! What an engine reports about its hosts and services, and about itself.

pub(crate) mod field;
mod object;
mod program;
mod report;

pub use object::{ObjectKey, ObjectStatus};
pub use program::ProgramStatus;
pub(crate) use report::condition;
pub use report::{EngineSummary, ObjectReport};
