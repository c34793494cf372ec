//! The fixes that doctor prints for problems. A fix is text, a command to paste, or both.
//!
//! The process that runs as Nagios' user collects the findings, but only selects a variant of
//! [`Fix`]. The root process builds the text from a template and from data that it has read itself.
//! Nagios' user can forge findings, but the only part of a finding that becomes part of a command
//! is the quoted name of the host.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::paste::Paste;

/// The package's systemd timer, which starts the sweep.
pub const SWEEP_TIMER: &str = "repairctl-sweep.timer";
/// The crontab file that starts the sweep on systems without systemd; see cron(8).
pub const CRON_FILE: &str = "/etc/cron.d/repairctl-sweep";
/// The example for [`CRON_FILE`] that the package installs.
pub const CRON_EXAMPLE: &str = "/usr/share/doc/nagios-selfheal/examples/repairctl-sweep";

/// How to fix a problem. [`Fix::text`] returns the text for each variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fix {
    /// The fix for a problem on this server.
    Server(ServerFix),
    /// The fix for a problem with the host that the finding is about.
    Host(HostFix),
}

/// The fixes for problems with this server and its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "Fix::text explains each variant")]
pub enum ServerFix {
    RunAsRoot,
    Init,
    EnterDirectories(SiteFile),
    OwnPolicy,
    CorrectPolicy,
    AddFirstRepair,
    NameNagiosCfg,
    StartNagios,
    ReadNagiosFile(SiteFile),
    NameObjectCache,
    CorrectHost,
    EnableEventHandlers,
    EnableExternalCommands,
    RaiseHandlerTimeout,
    MatchNagiosCfg,
    InstallVerify,
    InstallLocalRung,
    InstallWorker,
    MakeKey { host: String },
    OwnKey { host: String },
    PassphraseFile,
    NamePrivateKey,
    MakeLedgerDirectory,
    OwnLedger,
    CloseLedger,
    MigrateLedger,
    SetLedgerAside,
    CorrectLedger,
    OwnSecrets,
    StartDatabase,
    PrepareDatabase,
    SynchronizeReplicas,
    CommitSynchronously,
    StartStandby,
    StopOldPrimary,
    KeepServerTime,
    SetCommandFile,
    NameStatusFile,
    OwnApiPassword,
    CorrectApi,
    GrantApiUser,
    OptIn,
    AddRepair,
    EnableSweep,
    AddSweepTimer,
    AddSweepJob,
}

/// A file on this server that repairs need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SiteFile {
    /// The policy, policy.json.
    Policy,
    /// The private key for logging in to the host with this name.
    Key(String),
    /// The ledger or, if the ledger is in PostgreSQL, its local files on this server.
    Ledger,
    /// Nagios' `command_file`, which is the pipe from which Nagios reads commands.
    CommandFile,
    /// Nagios' `status_file`, with the current states of all objects.
    StatusFile,
    /// The file with the password for Icinga 2's API.
    ApiPassword,
    /// Nagios' `object_cache_file`, which lists all objects with their templates resolved.
    ObjectCache,
}

/// The fixes for problems with a host. The cause can be on the host or in this server's data about
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "Fix::text explains each variant")]
pub enum HostFix {
    Trust,
    TrustUnlessConfigured,
    NewHostKey,
    CorrectAddress,
    InstallGate,
    UpdateGate,
    Replace,
    CompareKey,
    AuthorizedKeys,
    ForcedCommand,
    ReadSshdLog,
    ReadLog,
    CheckGate,
    OwnGateState,
    NameRepair,
    EndHold,
    ManyRequests,
    OpenKnownHosts,
    UseOpenSsh,
    OpenPort,
    KeyFirst,
    StartAgent,
    KeepTime,
}

impl From<ServerFix> for Fix {
    fn from(fix: ServerFix) -> Fix {
        Fix::Server(fix)
    }
}

impl From<HostFix> for Fix {
    fn from(fix: HostFix) -> Fix {
        Fix::Host(fix)
    }
}

/// An instruction in words, as a command, or both. The command comes last, so that an admin can
/// easily select it up to the end of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    words: String,
    command: Option<Paste>,
}

impl From<Paste> for Advice {
    fn from(command: Paste) -> Advice {
        Advice { words: String::new(), command: Some(command) }
    }
}

impl From<&str> for Advice {
    fn from(words: &str) -> Advice {
        Advice { words: words.to_owned(), command: None }
    }
}

impl From<String> for Advice {
    fn from(words: String) -> Advice {
        Advice { words, command: None }
    }
}

impl Advice {
    /// Creates an instruction in words that is followed by a command.
    pub fn then(words: impl Into<String>, command: Paste) -> Advice {
        Advice { words: words.into(), command: Some(command) }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Advice { words, command } = self;
        let between = if words.is_empty() || command.is_none() { "" } else { ", " };
        write!(f, "{words}{between}")?;
        command.as_ref().map_or(Ok(()), |command| command.fmt(f))
    }
}
