//! POSIX extended regular expressions, and the search for strings and patterns in a body. Patterns
//! match bytes, in linear time.
//!
//! The grammar follows POSIX.1-2017 XBD 9.4 with the GNU escapes (`\b`, `\w`, …), in the C locale.
//! A pattern is translated to the syntax tree of regex-syntax, and regex-automata runs it.
//! Back-references are rejected, because they cannot be matched in linear time.

mod anchors;
pub mod body_search;
mod bracket;
mod cursor;
mod error;
mod matcher;
mod parser;
pub mod posix;
mod prefilter;
#[cfg(test)]
mod tests;
