//! POSIX extended regular expressions as users of check_http write them, on bytes and in linear
//! time; and the search for texts and patterns in a body.
//!
//! The grammar is POSIX.1-2017 XBD 9.4 with the GNU escapes (`\b`, `\w`, …), in the C locale. It is
//! translated to regex-syntax' own form and run by regex-automata. Back-references cannot be
//! matched in linear time and are rejected.

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
