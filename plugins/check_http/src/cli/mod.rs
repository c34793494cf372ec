//! The command line. No other module knows the options.

mod argv;
pub mod command_line;
pub mod convert;
mod extra_opts;
pub mod families;
mod operands;
pub mod options;
mod syntax;
#[cfg(test)]
mod tests;
