//! How to fix each problem: in words, and as a command to paste where one will do. The half that
//! collects findings names the fix. The half that prints it makes the text, from a template and
//! from data of its own. Of the data that Nagios' user can forge, only names of hosts get into a
//! command, quoted.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::paste::Paste;

/// The package's timer.
pub const SWEEP_TIMER: &str = "repairctl-sweep.timer";
/// The job for cron(8), where no systemd runs.
pub const CRON_FILE: &str = "/etc/cron.d/repairctl-sweep";
/// The package's example of it.
pub const CRON_EXAMPLE: &str = "/usr/share/doc/nagios-selfheal/examples/repairctl-sweep";

/// How to fix a problem; each variant is one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fix {
    /// A fix on this server.
    Server(ServerFix),
    /// A fix for the host that the finding is about.
    Host(HostFix),
}

/// A fix on this server, or in its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the texts say it")]
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
    SetCommandFile,
    NameStatusFile,
    OptIn,
    AddRepair,
    EnableSweep,
    AddSweepTimer,
    AddSweepJob,
}

/// A file that this server's half of a repair needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SiteFile {
    /// policy.json.
    Policy,
    /// The private key for this host.
    Key(String),
    /// The ledger.
    Ledger,
    /// The pipe that Nagios reads commands from.
    CommandFile,
    /// The file that Nagios writes its status to.
    StatusFile,
    /// The file that Nagios writes its objects to.
    ObjectCache,
}

/// A fix for one host: there, or in the data that this server has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the texts say it")]
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

/// What to do: in words, by a command, or both. A command ends the text, so that it can be selected
/// with the rest of the line.
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
    /// What to do first, in words, and the command that follows.
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
