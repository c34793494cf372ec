//! What can go wrong on the way to a gate. Each failure names the thing, the place and the next
//! step, and knows whether a repair can have been started.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where in a conversation something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking the address up.
    Resolve,
    /// Trying the addresses.
    Connect,
    /// From the first byte to the agreed keys: banner, algorithms, key exchange.
    Handshake,
    /// Proving who we are.
    Login,
    /// Opening the channel; no question was sent.
    Open,
    /// A question that changes nothing was sent.
    Ask,
    /// A repair was asked for: from here on, no answer means an unknown outcome.
    Repair,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Resolve => "looking up its address",
            Phase::Connect => "connecting",
            Phase::Handshake => "exchanging keys",
            Phase::Login => "logging in",
            Phase::Open => "opening a channel",
            Phase::Ask => "waiting for the gate's answer",
            Phase::Repair => "waiting for the answer to a repair that was asked for",
        })
    }
}

impl Phase {
    fn nothing_was_run(self) -> bool {
        self != Phase::Repair
    }

    /// What the reader has to know about the repair: nothing happened, or nobody knows.
    fn consequence(self) -> &'static str {
        if self.nothing_was_run() {
            "nothing was run"
        } else {
            "whether the repair ran is unknown; ask for its status"
        }
    }
}

/// Why a gate could not be asked, or did not give an answer that can be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A host name, address or user that is not one.
    #[error("{what} {shown:?} cannot be used: {why}; nothing was run")]
    BadTarget {
        /// Which of the target's values.
        what: &'static str,
        /// The value, without its control characters.
        shown: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// No host key on file for this host.
    #[error(
        "no host key of {host} is recorded in {files}: record it at a time you trust, with \
         `{keyscan}`, after \
         comparing its fingerprint; nothing was run"
    )]
    HostKeyUnknown {
        /// Nagios' name of the host.
        host: String,
        /// The known_hosts files, for a reader.
        files: String,
        /// The command that prints the key.
        keyscan: String,
    },
    /// The host showed another key than the one on file: a reinstalled host, or somebody in
    /// between.
    #[error(
        "host key of {host} at {address} is {presented}, but {files} has {recorded}: find out \
         whether the host was \
         reinstalled before replacing the line; nothing was run"
    )]
    HostKeyMismatch {
        /// Nagios' name of the host.
        host: String,
        /// The address that was reached.
        address: String,
        /// Type and fingerprint of the key that was shown.
        presented: String,
        /// Types and fingerprints of the keys on file.
        recorded: String,
        /// The known_hosts files, for a reader.
        files: String,
    },
    /// The host showed a key that a `@revoked` line names, or no key but revoked ones is on file.
    #[error(
        "the host key of {host} is revoked by {place}: give the host a new key and record it; \
         nothing was run"
    )]
    HostKeyRevoked {
        /// Nagios' name of the host.
        host: String,
        /// File and line of the `@revoked` line.
        place: String,
    },
    /// Only a `@cert-authority` line covers this host, and libssh2 does not know host certificates.
    #[error(
        "{place} trusts {host} by a @cert-authority only, which the built-in SSH cannot check: use \
         \"transport\": \"openssh\" for this host or record its own key; nothing was run"
    )]
    CertAuthorityOnly {
        /// Nagios' name of the host.
        host: String,
        /// File and line of the `@cert-authority` line.
        place: String,
    },
    /// A known_hosts file that exists cannot be read; it might hold a `@revoked` line, so it is not
    /// passed over.
    #[error("known_hosts file {file} cannot be read: {why}; nothing was run")]
    KnownHosts {
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
    /// None of the known_hosts files exists, or none holds a single key.
    #[error(
        "{files} {state}: record the key of {host} at a time you trust, with `{keyscan}`, after \
         comparing the \
         fingerprint; nothing was run"
    )]
    KnownHostsEmpty {
        /// Nagios' name of the host.
        host: String,
        /// The known_hosts files, for a reader.
        files: String,
        /// "does not exist" or "holds no host key".
        state: &'static str,
        /// The command that prints the key.
        keyscan: String,
    },
    /// The two sides have no algorithm in common; most often the host has no key of the recorded
    /// type any more.
    #[error(
        "no agreement with {host} at {address} on how to talk ({detail}; host key types on file: \
         {wanted}); nothing was run"
    )]
    NoCommonAlgorithm {
        /// Nagios' name of the host.
        host: String,
        /// The address that was reached.
        address: String,
        /// The host key algorithms asked for.
        wanted: String,
        /// What libssh2 said.
        detail: String,
    },
    /// The private key cannot be read.
    #[error("private key {file} cannot be read: {why}; nothing was run")]
    KeyFileUnreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The private key, or its passphrase, may be read by others or is somebody else's.
    #[error("{file} {why}: nothing was run")]
    KeyFileOpen {
        /// The file.
        file: PathBuf,
        /// What is wrong with it and how to mend it.
        why: String,
    },
    /// The private key is not one that can be used.
    #[error("private key {file} cannot be used: {why}; nothing was run")]
    KeyFileFormat {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The private key is encrypted, and its passphrase is missing, unreadable or wrong.
    #[error("private key {file} is encrypted: {why}; nothing was run")]
    Passphrase {
        /// The private key's file.
        file: PathBuf,
        /// What is wrong with the passphrase.
        why: String,
    },
    /// The ssh-agent cannot be asked or holds no key.
    #[error("ssh-agent: {why}; nothing was run")]
    Agent {
        /// What is wrong with it.
        why: String,
    },
    /// The host does not let us in.
    #[error(
        "{user}@{host} ({address}) refused {key}: check the account, its authorized_keys line \
         (from=, expiry-time=) and \
         the log of its sshd; nothing was run"
    )]
    AuthRefused {
        /// Nagios' name of the host.
        host: String,
        /// The address that was reached.
        address: String,
        /// The account on the host.
        user: String,
        /// The key that was offered.
        key: String,
    },
    /// The `ssh` program ended before the host had proved its key and let us in. Only ssh's text
    /// could tell why, and anyone on the network can write that.
    #[error(
        "ssh did not log in to {host} at {address} ({detail}); run it by hand with -v to see where \
         it ends; nothing was run"
    )]
    NoLogin {
        /// Nagios' name of the host.
        host: String,
        /// The address that was tried.
        address: String,
        /// How ssh ended, with a quotation of its text.
        detail: String,
    },
    /// The address is not known.
    #[error("address {address} of {host} cannot be looked up: {why}; nothing was run")]
    Resolve {
        /// Nagios' name of the host.
        host: String,
        /// The address that was looked up.
        address: String,
        /// What the resolver said.
        why: String,
    },
    /// No address of the host takes the connection.
    #[error(
        "cannot connect to {host}: {tries}; is sshd running there and the port open? nothing was \
         run"
    )]
    Connect {
        /// Nagios' name of the host.
        host: String,
        /// Each address with what it answered.
        tries: String,
    },
    /// The deadline came first.
    #[error("no answer from {host} within {within:.1?}, while {phase}; {}", .phase.consequence())]
    Timeout {
        /// Nagios' name of the host.
        host: String,
        /// What was going on.
        phase: Phase,
        /// How long this step was allowed.
        within: Duration,
    },
    /// The connection ended before the answer.
    #[error("connection to {host} ended while {phase} ({detail}); {}", .phase.consequence())]
    Cut {
        /// Nagios' name of the host.
        host: String,
        /// What was going on.
        phase: Phase,
        /// What was seen.
        detail: String,
    },
    /// The host talks SSH, but not as it should.
    #[error("{host} broke the SSH protocol while {phase} ({detail}); {}", .phase.consequence())]
    Protocol {
        /// Nagios' name of the host.
        host: String,
        /// What was going on.
        phase: Phase,
        /// What libssh2 said.
        detail: String,
    },
    /// The host let us in but refused to open a channel or to run the command.
    #[error(
        "{host} refused {what} ({detail}): check the restrictions of its authorized_keys line; \
         nothing was run"
    )]
    Denied {
        /// Nagios' name of the host.
        host: String,
        /// What was asked for.
        what: &'static str,
        /// What was seen.
        detail: String,
    },
    /// Something answered, but not a gate that understood this question.
    #[error(
        "{host} gave no answer that can be believed to `{request}`: {why}; is repair_gate the \
         forced command of this key \
         there? {}", .phase.consequence()
    )]
    NotFramed {
        /// Nagios' name of the host.
        host: String,
        /// The question.
        request: String,
        /// What is wrong with the answer, with a cleaned, short part of it.
        why: String,
        /// [`Phase::Ask`] or [`Phase::Repair`].
        phase: Phase,
    },
    /// An earlier question of this conversation failed; a new connection is needed.
    #[error(
        "the connection to {host} is used up after an earlier failure: connect again; nothing was \
         run"
    )]
    UsedUp {
        /// Nagios' name of the host.
        host: String,
    },
    /// This machine could not do its part: no socket, no thread, no program.
    #[error("on this machine: {why}; nothing was run")]
    Local {
        /// What could not be had.
        why: String,
    },
}

impl Error {
    /// Whether it is certain that the question this error answers started no repair. False means
    /// unknown.
    pub fn nothing_was_run(&self) -> bool {
        match self {
            Error::Timeout { phase, .. }
            | Error::Cut { phase, .. }
            | Error::Protocol { phase, .. }
            | Error::NotFramed { phase, .. } => phase.nothing_was_run(),
            _ => true,
        }
    }

    /// A short, stable token for the ledger and for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Error::BadTarget { .. } => "bad-target",
            Error::HostKeyUnknown { .. } => "host-key-unknown",
            Error::HostKeyMismatch { .. } => "host-key-mismatch",
            Error::HostKeyRevoked { .. } => "host-key-revoked",
            Error::CertAuthorityOnly { .. } => "cert-authority-only",
            Error::KnownHosts { .. } => "known-hosts",
            Error::KnownHostsEmpty { .. } => "known-hosts-empty",
            Error::NoCommonAlgorithm { .. } => "no-common-algorithm",
            Error::KeyFileUnreadable { .. } => "key-file-unreadable",
            Error::KeyFileOpen { .. } => "key-file-open",
            Error::KeyFileFormat { .. } => "key-file-format",
            Error::Passphrase { .. } => "passphrase",
            Error::Agent { .. } => "agent",
            Error::AuthRefused { .. } => "auth-refused",
            Error::NoLogin { .. } => "no-login",
            Error::Resolve { .. } => "resolve",
            Error::Connect { .. } => "connect",
            Error::Timeout { .. } => "timeout",
            Error::Cut { .. } => "cut",
            Error::Protocol { .. } => "protocol",
            Error::Denied { .. } => "denied",
            Error::NotFramed { .. } => "not-framed",
            Error::UsedUp { .. } => "used-up",
            Error::Local { .. } => "local",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(phase: Phase) -> Error {
        Error::Timeout { host: "web1".into(), phase, within: Duration::from_secs(5) }
    }

    #[test]
    fn only_a_repair_that_was_asked_for_leaves_the_outcome_unknown() {
        for phase in [
            Phase::Resolve,
            Phase::Connect,
            Phase::Handshake,
            Phase::Login,
            Phase::Open,
            Phase::Ask,
        ] {
            assert!(timeout(phase).nothing_was_run(), "{phase:?}");
            assert!(timeout(phase).to_string().ends_with("nothing was run"), "{}", timeout(phase));
        }
        assert!(!timeout(Phase::Repair).nothing_was_run());
        assert!(!timeout(Phase::Repair).to_string().contains("nothing was run"));
    }
}
