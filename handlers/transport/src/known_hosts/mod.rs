//! Host keys in known_hosts files, following sshd(8), section "SSH_KNOWN_HOSTS FILE FORMAT".
//!
//! This module replaces libssh2's own parser, which does not support wildcards, ignores `@revoked`
//! and `@cert-authority`, and rejects a whole file because of a single malformed line. From the
//! ssh-key crate, this module uses only the types.

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
