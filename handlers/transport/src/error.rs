//! Why a gate gave no answer. Each error names the thing, the place and the next step, and knows
//! whether a repair can have been started.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use privsep::quoted;

/// The step of a conversation in which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the address.
    Resolve,
    /// Trying the addresses.
    Connect,
    /// From the first byte to the agreed keys: banner, algorithms, key exchange.
    Handshake,
    /// Proving who we are.
    Login,
    /// Opening the channel; no request was sent.
    Open,
    /// A request that changes nothing was sent.
    Query,
    /// A repair was requested: from here on, no answer means an unknown outcome.
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
            Phase::Query => "waiting for the gate's answer",
            Phase::Repair => "waiting for the answer to a repair that was asked for",
        })
    }
}

impl Phase {
    fn nothing_was_run(self) -> bool {
        self != Phase::Repair
    }

    /// Returns the consequence for the repair: nothing was run, or its outcome is unknown.
    fn consequence(self) -> &'static str {
        if self.nothing_was_run() {
            "nothing was run"
        } else {
            "whether the repair ran is unknown; ask for its status"
        }
    }
}

/// Why a request failed, or its answer cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are in the messages")]
pub enum Error {
    /// A host name, address or user that is invalid.
    #[error("{what} {shown:?} cannot be used: {why}; nothing was run")]
    BadTarget { what: &'static str, shown: String, why: &'static str },
    /// No host key of this host is recorded.
    #[error(
        "no host key of {host} is recorded in {files}: compare and record it, as root here: \
         `repairctl trust {}`; nothing was run",
        quoted(.host)
    )]
    HostKeyUnknown { host: String, files: String },
    /// The host showed another key than the recorded one: it was reinstalled, or there is an
    /// attacker in between.
    #[error(
        "host key of {host} at {address} is {presented}, but {files} has {recorded}: find out \
         whether the host was reinstalled, and only then, as root here: \
         `repairctl trust {} --replace`; nothing was run",
        quoted(.host)
    )]
    HostKeyMismatch {
        host: String,
        address: String,
        presented: String,
        recorded: String,
        files: String,
    },
    /// The host showed a key that a `@revoked` line names, or only revoked keys are recorded.
    #[error(
        "the host key of {host} is revoked by {place}: give the host a new key, then, as root \
         here: `repairctl trust {}`; nothing was run",
        quoted(.host)
    )]
    HostKeyRevoked { host: String, place: String },
    /// Only a `@cert-authority` line covers this host, and libssh2 does not know host certificates.
    #[error(
        "{place} trusts {host} by a @cert-authority only, which the built-in SSH cannot check: \
         use \"transport\": \"openssh\" for this host or record its own key; nothing was run"
    )]
    CertAuthorityOnly { host: String, place: String },
    /// A known_hosts file that exists cannot be read. It might hold a `@revoked` line, so it is not
    /// skipped.
    #[error("known_hosts file {file} cannot be read: {why}; nothing was run")]
    KnownHosts { file: PathBuf, why: String },
    /// None of the known_hosts files exists, or none holds a single key.
    #[error(
        "{files} {state}: compare and record the key of {host}, as root here: \
         `repairctl trust {}`; nothing was run",
        quoted(.host)
    )]
    KnownHostsEmpty { host: String, files: String, state: &'static str },
    /// The two sides have no algorithm in common; most often the host has no key of the recorded
    /// type any more.
    #[error(
        "no agreement with {host} at {address} on how to talk ({detail}; host key types on file: \
         {wanted}); nothing was run"
    )]
    NoCommonAlgorithm { host: String, address: String, wanted: String, detail: String },
    /// The private key cannot be read.
    #[error("private key {file} cannot be read: {why}; nothing was run")]
    KeyFileUnreadable { file: PathBuf, why: String },
    /// The private key, or its passphrase, belongs to another account or may be read by others.
    #[error("{file} {why}; `repairctl doctor` as root names the fix; nothing was run")]
    KeyFileOpen { file: PathBuf, why: String },
    /// The private key is not one that can be used.
    #[error("private key {file} cannot be used: {why}; nothing was run")]
    KeyFileFormat { file: PathBuf, why: String },
    /// The private key is encrypted, and its passphrase is missing, unreadable or wrong.
    #[error("private key {file} is encrypted: {why}; nothing was run")]
    Passphrase { file: PathBuf, why: String },
    /// The ssh-agent cannot be reached or holds no key.
    #[error("ssh-agent: {why}; nothing was run")]
    Agent { why: String },
    /// The host does not let us in.
    #[error(
        "{user}@{host} ({address}) refused {key}: check the account, its authorized_keys line \
         (from=, expiry-time=) and the log of its sshd; nothing was run"
    )]
    AuthRefused { host: String, address: String, user: String, key: String },
    /// The `ssh` program ended before the login. Only its text could show why, and anyone on the
    /// network can write that.
    #[error(
        "ssh did not log in to {host} at {address} ({detail}); run it by hand with -v to see \
         where it ends; nothing was run"
    )]
    NoLogin { host: String, address: String, detail: String },
    /// The host closed the connection before there were keys: most often its sshd has too many
    /// clients, or penalises our address for a while (sshd_config(5), MaxStartups,
    /// PerSourcePenalties). Anyone on the network can do and write that.
    #[error(
        "{host} turned us away before the login ({detail}): its sshd may have too many clients \
         (MaxStartups), or a penalty for our address (PerSourcePenalties); nothing was run"
    )]
    TurnedAway { host: String, detail: String },
    /// The address cannot be looked up.
    #[error("address {address} of {host} cannot be looked up: {why}; nothing was run")]
    Resolve { host: String, address: String, why: String },
    /// No address of the host takes the connection.
    #[error(
        "cannot connect to {host}: {tries}; is sshd running there and the port open? nothing was \
         run"
    )]
    Connect { host: String, tries: String },
    /// The deadline came first.
    #[error("no answer from {host} within {within:.1?}, while {phase}; {}", .phase.consequence())]
    Timeout { host: String, phase: Phase, within: Duration },
    /// The connection ended before the answer.
    #[error("connection to {host} ended while {phase} ({detail}); {}", .phase.consequence())]
    Cut { host: String, phase: Phase, detail: String },
    /// The host violates the SSH protocol.
    #[error("{host} broke the SSH protocol while {phase} ({detail}); {}", .phase.consequence())]
    Protocol { host: String, phase: Phase, detail: String },
    /// The host let us in but refused to open a channel or to run the command.
    #[error(
        "{host} refused {what} ({detail}): check the restrictions of its authorized_keys line; \
         nothing was run"
    )]
    Denied { host: String, what: &'static str, detail: String },
    /// The output is not a framed answer to this request. With `no_gate`, the command ended by
    /// itself and left no sign of a gate.
    #[error(
        "{host} gave no answer that can be believed to `{request}`: {why}; is repair_gate the \
         forced command of this key there? {}", .phase.consequence()
    )]
    NotFramed { host: String, request: String, why: String, phase: Phase, no_gate: bool },
    /// An earlier request over this connection failed; a new connection is needed.
    #[error(
        "the connection to {host} is used up after an earlier failure: connect again; nothing was \
         run"
    )]
    UsedUp { host: String },
    /// This machine is short of something: a socket, a thread, a program.
    #[error("on this machine: {why}; nothing was run")]
    Local { why: String },
}

impl Error {
    /// Whether it is certain that the failed request started no repair. False means unknown.
    pub fn nothing_was_run(&self) -> bool {
        match self {
            Error::Timeout { phase, .. }
            | Error::Cut { phase, .. }
            | Error::Protocol { phase, .. }
            | Error::NotFramed { phase, .. } => phase.nothing_was_run(),
            _ => true,
        }
    }

    /// Whether the cause ends by itself, so that the same request may soon be answered. Nothing was
    /// run then.
    pub fn is_passing(&self) -> bool {
        matches!(self, Error::TurnedAway { .. })
    }

    /// Whether something else than a gate answered, as far as that can be seen from one answer:
    /// nologin, or a shell that does not find the command.
    pub fn is_without_gate(&self) -> bool {
        matches!(self, Error::NotFramed { no_gate: true, .. })
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
            Error::TurnedAway { .. } => "turned-away",
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
    fn quotes_the_host_in_commands() {
        let error = Error::HostKeyUnknown { host: "it's; id".into(), files: "f".into() };
        let text = error.to_string();
        assert!(text.contains(r"as root here: `repairctl trust 'it'\''s; id'`"), "{text}");
    }

    #[test]
    fn leaves_the_outcome_unknown_only_after_a_repair_request() {
        for phase in [
            Phase::Resolve,
            Phase::Connect,
            Phase::Handshake,
            Phase::Login,
            Phase::Open,
            Phase::Query,
        ] {
            assert!(timeout(phase).nothing_was_run(), "{phase:?}");
            assert!(timeout(phase).to_string().ends_with("nothing was run"), "{}", timeout(phase));
        }
        assert!(!timeout(Phase::Repair).nothing_was_run());
        assert!(!timeout(Phase::Repair).to_string().contains("nothing was run"));
    }
}
