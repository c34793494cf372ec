//! Why a gate gave no valid answer. Each message says what failed, on which host or file, and what
//! to do next. Each error also records whether a repair may have been started.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use privsep::quoted;

/// What a request was doing when an error occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the addresses of the host.
    Resolve,
    /// Connecting to one of the addresses.
    Connect,
    /// Exchanging versions, algorithms and keys.
    Handshake,
    /// Authenticating as the gate's user.
    Login,
    /// Opening the channel. The request has not been sent yet.
    Open,
    /// Waiting for the answer to a request that changes nothing on the host.
    Query,
    /// Waiting for the answer to a repair request. Without an answer, the outcome is unknown.
    Repair,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Resolve => "looking up the host's address",
            Phase::Connect => "connecting",
            Phase::Handshake => "exchanging keys",
            Phase::Login => "logging in",
            Phase::Open => "opening a channel",
            Phase::Query => "waiting for the gate's answer",
            Phase::Repair => "waiting for the answer to a repair request",
        })
    }
}

impl Phase {
    fn nothing_was_run(self) -> bool {
        self != Phase::Repair
    }

    /// Returns the last part of an error message. It states either that nothing was run or that the
    /// outcome is unknown.
    fn consequence(self) -> &'static str {
        if self.nothing_was_run() {
            "nothing was run"
        } else {
            "the outcome of the repair is unknown; query the status of its job"
        }
    }
}

/// Why a request failed or its answer was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum Error {
    /// A name, address, user, port or path in the route is invalid.
    #[error("{what} {shown:?} cannot be used: {why}; nothing was run")]
    BadTarget { what: &'static str, shown: String, why: &'static str },
    /// The known_hosts files contain no key of this host.
    #[error(
        "no host key of {host} is recorded in {files}: to check the key and record it, run as root \
         here: `repairctl trust {}`; nothing was run",
        quoted(.host)
    )]
    HostKeyUnknown { host: String, files: String },
    /// The host sent a key other than the recorded one. Either the host was reinstalled, or an
    /// attacker intercepts the connection.
    #[error(
        "the host key of {host} at {address} is {presented}, but {files} contains {recorded}: find \
         out whether the host was reinstalled; if it was, run as root here: `repairctl trust {} \
         --replace`; nothing was run",
        quoted(.host)
    )]
    HostKeyMismatch {
        host: String,
        address: String,
        presented: String,
        recorded: String,
        files: String,
    },
    /// The host sent a key that a `@revoked` line contains, or only revoked keys are recorded.
    #[error(
        "the host key of {host} is revoked by {place}: give the host a new key, then run as root \
         here: `repairctl trust {}`; nothing was run",
        quoted(.host)
    )]
    HostKeyRevoked { host: String, place: String },
    /// Only a `@cert-authority` line matches this host. libssh2 does not support host certificates.
    #[error(
        "{place} trusts {host} only through a @cert-authority, which the built-in SSH cannot \
         check: use \"transport\": \"openssh\" for this host or record its own key; nothing was run"
    )]
    CertAuthorityOnly { host: String, place: String },
    /// A known_hosts file exists but cannot be read. It is not skipped, because it may contain a
    /// `@revoked` line.
    #[error("known_hosts file {file} cannot be read: {why}; nothing was run")]
    KnownHosts { file: PathBuf, why: String },
    /// None of the known_hosts files exists, or none contains a key.
    #[error(
        "{files} {state}: to check the host key of {host} and record it, run as root here: \
         `repairctl trust {}`; nothing was run",
        quoted(.host)
    )]
    KnownHostsEmpty { host: String, files: String, state: &'static str },
    /// The client and the host have no algorithm in common. In most cases, the host no longer has a
    /// key of the recorded type.
    #[error(
        "{host} at {address} and this server have no SSH algorithm in common ({detail}; recorded \
         host key types: {wanted}); nothing was run"
    )]
    NoCommonAlgorithm { host: String, address: String, wanted: String, detail: String },
    /// The private key cannot be read.
    #[error("private key {file} cannot be read: {why}; nothing was run")]
    KeyFileUnreadable { file: PathBuf, why: String },
    /// The private key or its passphrase file belongs to another account, or other accounts can
    /// access it.
    #[error("{file} {why}; {}; nothing was run", policy::see_doctor!())]
    KeyFileOpen { file: PathBuf, why: String },
    /// The private key is malformed, or its type is not supported.
    #[error("private key {file} cannot be used: {why}; nothing was run")]
    KeyFileFormat { file: PathBuf, why: String },
    /// The private key is encrypted, and its passphrase is missing, unreadable or wrong.
    #[error("private key {file} is encrypted: {why}; nothing was run")]
    Passphrase { file: PathBuf, why: String },
    /// Connecting to the ssh-agent failed, or the agent does not hold the key.
    #[error("ssh-agent: {why}; nothing was run")]
    Agent { why: String },
    /// The host refused the login.
    #[error(
        "{user}@{host} ({address}) refused {key}: check the account, its authorized_keys line \
         (from=, expiry-time=) and the sshd log on that host; nothing was run"
    )]
    AuthRefused { host: String, address: String, user: String, key: String },
    /// The `ssh` program exited before the login. Only its output shows why, but anyone on the
    /// network can forge that output.
    #[error(
        "ssh could not log in to {host} at {address} ({detail}); run ssh by hand with -v to see \
         where it fails; nothing was run"
    )]
    NoLogin { host: String, address: String, detail: String },
    /// The host closed the connection before the key exchange was complete. In most cases its sshd
    /// has too many clients or is penalizing our address (sshd_config(5), MaxStartups,
    /// PerSourcePenalties). Anyone on the network can cause this error and forge its detail.
    #[error(
        "{host} closed the connection before the login ({detail}): its sshd may have too many \
         clients (MaxStartups) or be penalizing this server's address (PerSourcePenalties); \
         nothing was run"
    )]
    TurnedAway { host: String, detail: String },
    /// The name lookup for the address failed.
    #[error("address {address} of {host} cannot be looked up: {why}; nothing was run")]
    Resolve { host: String, address: String, why: String },
    /// No address of the host accepted the connection.
    #[error(
        "cannot connect to {host}: {tries}; check that sshd is running there and that the port is \
         open; nothing was run"
    )]
    Connect { host: String, tries: String },
    /// The deadline passed before the answer arrived.
    #[error("no answer from {host} within {within:.1?} while {phase}; {}", .phase.consequence())]
    Timeout { host: String, phase: Phase, within: Duration },
    /// The connection ended before the answer arrived.
    #[error("connection to {host} ended while {phase} ({detail}); {}", .phase.consequence())]
    Cut { host: String, phase: Phase, detail: String },
    /// The host violated the SSH protocol.
    #[error("{host} violated the SSH protocol while {phase} ({detail}); {}", .phase.consequence())]
    Protocol { host: String, phase: Phase, detail: String },
    /// The host accepted the login but refused to open a channel or to run the command.
    #[error(
        "{host} refused {what} ({detail}): check the restrictions in this key's authorized_keys \
         line on that host; nothing was run"
    )]
    Denied { host: String, what: &'static str, detail: String },
    /// The output is not a framed answer to this request. If `no_gate` is set, the command exited
    /// by itself and its output shows no sign of a gate.
    #[error(
        "no valid answer from {host} to `{request}`: {why}; check that repair_gate is the forced \
         command of this key on that host; {}", .phase.consequence()
    )]
    NotFramed { host: String, request: String, why: String, phase: Phase, no_gate: bool },
    /// An earlier request over this connection failed, so a new connection is needed.
    #[error(
        "the connection to {host} cannot be used again, because an earlier request failed: open a \
         new one; nothing was run"
    )]
    UsedUp { host: String },
    /// A resource on the Nagios server is missing, for example a socket, a thread or a program.
    #[error("error on this machine: {why}; nothing was run")]
    Local { why: String },
}

impl Error {
    /// Whether it is certain that the failed request started no repair. If `false`, a repair may
    /// have been started.
    pub fn nothing_was_run(&self) -> bool {
        match self {
            Error::Timeout { phase, .. }
            | Error::Cut { phase, .. }
            | Error::Protocol { phase, .. }
            | Error::NotFramed { phase, .. } => phase.nothing_was_run(),
            _ => true,
        }
    }

    /// Whether the cause is likely to go away soon, so a retry makes sense. If this is `true`,
    /// nothing was run.
    pub fn is_passing(&self) -> bool {
        matches!(self, Error::TurnedAway { .. })
    }

    /// Whether a program other than the gate seems to have answered, for example nologin or a shell
    /// that did not find the command.
    pub fn is_without_gate(&self) -> bool {
        matches!(self, Error::NotFramed { no_gate: true, .. })
    }

    /// Returns a short, stable identifier for the ledger and for statistics.
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
    fn reports_unknown_outcome_only_after_a_repair_request() {
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
