//! Privilege separation for programs that root runs on files of a less trusted account.
//!
//! Nagios' user owns the ledger, Nagios' files and the processes that write them. When root runs
//! one of our programs, the program splits in two. One half keeps running as root and uses only
//! files and directories that root owns. It starts the same program again as a child process, which
//! is the other half ([`Half`]) and does everything else. Before the child does anything else,
//! [`step_down()`] makes it leave root's session and terminal, close inherited descriptors and
//! become Nagios' user. The child answers with typed JSON of a limited size, either in one piece or
//! in parts. The root half removes control characters from the answer. Nagios' user can forge the
//! answer, so the root half only displays it and never acts on it.

mod account;
mod error;
mod half;
mod json_text;
mod owner;
mod step_down;

pub use account::Account;
pub use error::Error;
pub use half::{Environment, Half};
pub use owner::{other_owner, quoted, refuse_root};
pub use step_down::{Role, step_down};
