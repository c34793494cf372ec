//! What every program that talks to Nagios shares: states, threshold ranges, perfdata, and the one
//! way out.
//!
//! Nagios turns every exit code outside 0..3 into CRITICAL, and CRITICAL starts a repair. So
//! [`guard()`] owns output and exit: whatever happens, one cleaned write to stdout and a code in
//! 0..3. No other I/O is done here.

mod guard;
mod outcome;
mod perfdata;
mod range;
mod state;
mod text;
mod tool;

pub use guard::{Problem, end, guard};
pub use outcome::Outcome;
pub use perfdata::{Number, Perfdata};
pub use range::{BadRange, Range};
pub use state::{State, UnknownState};
pub use text::{clean, printable, wrapped};
pub use tool::{Found, Out, tool};
