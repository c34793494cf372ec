//! What every program that talks to Nagios shares: states, threshold ranges, perfdata, output and
//! exit codes.
//!
//! Nagios turns every exit code outside 0..3 into CRITICAL, and CRITICAL starts a repair. So
//! [`guard()`] owns output and exit: even after a panic, one cleaned write to stdout and a code in
//! 0..3. Nothing else here does I/O, save [`cli_tool()`].

mod cli_tool;
mod guard;
mod outcome;
mod perfdata;
mod places;
mod range;
mod state;
mod text;

pub use cli_tool::{Out, ToolResult, cli_tool};
pub use guard::{Problem, end, guard, guard_handler};
pub use outcome::Outcome;
pub use perfdata::{Number, Perfdata};
pub use places::{LIBEXEC, program_places};
pub use range::{BadRange, Range};
pub use state::{State, UnknownState};
pub use text::{clean, printable, wrapped};
