//! Which host keys are on file for a host, and what changes when it has a new one.

mod edit;
mod parse;

pub use edit::{Unforgettable, forget};
pub(crate) use parse::describe_blob;
pub use parse::{Names, OnFile, Recorded, Source, Standing, Verdict, look_up};
