//! The command line. No other module knows the options.

mod argv;
pub mod command_line;
pub mod convert;
mod extra_opts;
pub mod families;
mod operands;
mod options;
#[cfg(test)]
mod tests;
