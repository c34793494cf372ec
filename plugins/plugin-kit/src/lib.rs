//! Plugin states, threshold ranges, perfdata, output and exit codes for programs that Nagios runs.
//!
//! Nagios reads every exit code outside 0 to 3 as CRITICAL, and CRITICAL starts a repair. Therefore
//! [`guard()`] controls output and exit: even after a panic, the program writes one cleaned message
//! to stdout and exits with a code from 0 to 3. Only the modules `guard` and `cli_tool` do I/O.

mod cli_tool;
mod guard;
mod outcome;
mod perfdata;
mod perfdata_parser;
mod places;
mod range;
mod state;
mod text;

pub use cli_tool::{Out, ToolResult, cli_tool};
pub use guard::{Problem, end, guard, guard_handler};
pub use outcome::Outcome;
pub use perfdata::{Number, Perfdata};
pub use perfdata_parser::parse as parse_perfdata;
pub use places::{LIBEXEC, program_places};
pub use range::{BadRange, Range};
pub use state::{State, UnknownState};
pub use text::{clean, printable, wrapped};
