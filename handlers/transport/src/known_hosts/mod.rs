//! The host keys that known_hosts files record, by the rules of sshd(8), "SSH_KNOWN_HOSTS FILE
//! FORMAT".
//!
//! libssh2's own reader does not know wildcards, ignores `@revoked` and `@cert-authority` and gives
//! up a whole file for one malformed line, so only ssh-key's types and these rules are used.

mod edit;
mod files;
mod parse;
mod patterns;
mod recorded;

pub use edit::{SharedLine, remove_host};
pub(crate) use files::{algorithms, read};
pub use parse::{KnownHostsText, look_up};
pub use patterns::HostKeyNames;
pub(crate) use recorded::describe_blob;
pub use recorded::{HostKeyCheck, HostKeyStatus, RecordedHostKeys};
