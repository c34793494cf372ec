//! Privilege separation for programs that root runs on files of a less trusted account.
//!
//! Nagios' user owns the ledger, Nagios' files and the processes that write them. When root runs
//! one of our programs, the program splits in two. The half that stays root only uses files and
//! directories that root owns. It starts the same program again as a child process, the other half
//! ([`Half`]), which does everything else. Before anything else, [`step_down()`] makes the child
//! leave root's session and terminal, close inherited descriptors and become Nagios' user. The
//! child answers with typed JSON of a limited size, either all in one piece or in parts. The half
//! that stays root removes control characters from the answer. Nagios' user can forge the answer,
//! so the half that stays root displays it and never acts on it.

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
