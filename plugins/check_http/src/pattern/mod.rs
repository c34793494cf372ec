//! p

pub mod anchors;
pub mod body_search;
pub mod bracket;
pub mod matcher;
pub mod parser;
pub mod posix;
