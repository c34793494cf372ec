//! The command line: the only place that knows options.

pub mod argv;
pub mod command_line;
pub mod convert;
pub mod extra_opts;
pub mod options;
#[cfg(test)]
mod tests;
