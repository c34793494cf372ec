//! Privilege separation for programs that root runs on the files of a less trusted account.
//!
//! Nagios' user owns the ledger, Nagios' files and the processes that write them. When root runs
//! one of our programs, the program splits in two. Root's half only uses files and directories that
//! root owns. It starts the same program again as a second process, the other half ([`Half`]),
//! which does everything else. Before anything else, [`step_down()`] makes that process leave
//! root's session and terminal, close inherited descriptors and become Nagios' user. The other half
//! answers with typed JSON of a limited size, at once or in parts. Root's half removes control
//! characters from it. Nagios' user can forge that answer, so root's half displays it and never acts
//! on it.

mod account;
mod error;
mod half;
mod owner;
mod step_down;

pub use account::Account;
pub use error::Error;
pub use half::{Environment, Half};
pub use owner::{other_owner, quoted, refuse_root};
pub use step_down::{Role, step_down};
