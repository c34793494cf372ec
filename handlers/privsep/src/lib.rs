//! Privilege separation, for programs that root runs beside an account that must gain nothing by
//! it.
//!
//! Nagios' user owns the ledger, Nagios' files and the processes that write them. When root runs
//! one of our programs, the program splits in two. Root's half ([`Half`]) touches only places that
//! root owns. Everything else happens in a second process, the same program run again:
//! [`step_down()`] leaves root's session and terminal, closes inherited descriptors and becomes
//! Nagios' user, before it does anything else. It answers with typed JSON, of a bounded size, which
//! root's half cleans. Nagios' user can forge that answer, so root's half shows it and never acts
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
