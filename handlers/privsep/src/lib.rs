//! Privilege separation for programs that root runs on the files of a less trusted account.
//!
//! Nagios' user owns the ledger, Nagios' files and the processes that write them. When root runs
//! one of our programs, the program splits into two processes. The root process uses only files and
//! directories that root owns. It starts the same program again as a child process ([`Half`]),
//! which does everything else. The child first calls [`step_down()`], which leaves root's session
//! and terminal, closes inherited descriptors and becomes Nagios' user. The child answers with
//! typed JSON of a limited size. Nagios' user can forge that answer, so the root process removes
//! control characters from it, displays it and never acts on it.

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
