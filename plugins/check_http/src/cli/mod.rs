//! The command line. Only this folder knows options.

mod argv;
pub mod command_line;
pub mod convert;
mod extra_opts;
mod options;
#[cfg(test)]
mod tests;
