//! How to fix each problem: a line to paste where one will do. The half that collects findings
//! names the fix. The half that prints it makes the text, from a template and from data of its own.
//! Of the data that Nagios' user can forge, only names of hosts get into a command, quoted.

use std::path::Path;

use policy_file::{Config, HostRoute};
use privsep::{Account, quoted};
use safe_file::Directory;
use serde::{Deserialize, Serialize};

use crate::gate_setup::{self, GATE, GATE_STATE};

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
    OpenPolicyDirectory,
    GivePolicyToGroup,
    CorrectPolicy,
    NameNagiosCfg,
    StartNagios,
    CorrectHost,
    ChangeNagiosCfg,
    InstallVerify,
    InstallLocalRung,
    InstallWorker,
    MakeKey,
    OwnKey { host: String },
    PassphraseFile,
    NamePrivateKey,
    MakeLedgerDirectory,
    OwnLedger,
    CloseLedger,
    CorrectLedger,
    SetCommandFile,
    MakeCommandFile,
    OpenCommandFile,
    ReadCommandFile,
    StatusFile,
    OptIn,
    AddRepair,
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

/// What the half that prints a fix has read itself.
pub struct FixContext<'a> {
    /// The account Nagios runs as.
    pub account: &'a Account,
    /// The policy's file.
    pub policy: &'a Path,
    /// The policy; absent if it cannot be used.
    pub config: Option<&'a Config>,
}

impl Fix {
    /// Returns the text for a person; `host` is the one that the finding is about.
    pub fn text(&self, host: Option<&str>, context: &FixContext<'_>) -> String {
        match self {
            Fix::Server(fix) => fix.text(context),
            Fix::Host(fix) => fix.text(host.unwrap_or("HOST"), context),
        }
    }
}

impl ServerFix {
    fn text(&self, context: &FixContext<'_>) -> String {
        use ServerFix::*;
        let Account { name: user, group, .. } = context.account;
        let (user, group, policy) = (quoted(user), quoted(group), path(context.policy));
        let ledger = context.config.map_or("the ledger".into(), |config| path(&config.ledger));
        let ledger_directory = context.ledger_directory();
        let directory = ledger_directory.map_or("its directory".into(), path);
        match self {
            RunAsRoot => format!(
                "run it as root and name that user: sudo repairctl doctor --nagios-user {user}"
            ),
            Init => "sudo repairctl init writes a first one".into(),
            OpenPolicyDirectory => match context.policy.parent().filter(|above| roots_alone(above))
            {
                Some(above) => format!("chmod 755 {}, so that {user} reaches it", path(above)),
                None => format!(
                    "move the policy to a directory of root's, mode 755, so that {user} reaches it"
                ),
            },
            GivePolicyToGroup if roots_alone(context.policy) => {
                format!("chgrp {group} {policy} && chmod 640 {policy}")
            }
            GivePolicyToGroup => {
                format!("move the policy to a directory of root's, for group {group}, mode 640")
            }
            CorrectPolicy => "correct policy.json at that line".into(),
            NameNagiosCfg => "name it with --nagios-cfg".into(),
            StartNagios => "start Nagios".into(),
            CorrectHost => "correct its name".into(),
            ChangeNagiosCfg => "change it there and restart Nagios".into(),
            InstallVerify => "install it, or name its place in plugin_path".into(),
            InstallLocalRung => "install it, or chmod +x it".into(),
            InstallWorker => "install the package anew".into(),
            MakeKey => "sudo repairctl init makes it (if it is there: chmod the directories above \
                        it, for Nagios' group)"
                .into(),
            OwnKey { host } => match context.route(host).map(|route| route.key) {
                Some(key) if roots_alone(&key) => {
                    format!("chown {user} {0} && chmod 600 {0}", path(&key))
                }
                _ => format!("give the key to {user}, mode 0600; its directory should be root's"),
            },
            PassphraseFile => {
                "give its passphrase in a file of mode 0600, as ssh.passphrase_file".into()
            }
            NamePrivateKey => "name the private key itself as ssh.key".into(),
            MakeLedgerDirectory if ledger_directory.is_some_and(roots_alone) => {
                format!("install -d -o {user} -g {group} -m 750 {directory}")
            }
            MakeLedgerDirectory => format!("runuser -u {user} -- mkdir -m 750 {directory}"),
            // In a directory of that user root follows no link, and modes are left to that user.
            OwnLedger => format!(
                "chown -hR {user}:{group} {directory} && runuser -u {user} -- chmod -R u+rwX \
                 {directory}"
            ),
            CloseLedger => format!(
                "see that its history is right, then: chown -hR {user}:{group} {directory} && \
                 runuser -u {user} -- chmod -R g-w,o= {directory}"
            ),
            CorrectLedger => format!(
                "repair {ledger}, or move it away: repairs begin with an empty history then"
            ),
            SetCommandFile => "set command_file to that of nagios.cfg".into(),
            MakeCommandFile => "start Nagios; it makes the pipe (check_external_commands=1, and \
                                the same command_file in nagios.cfg)"
                .into(),
            OpenCommandFile => format!("let {user} write it: look at its owner and mode"),
            ReadCommandFile => "start Nagios: nobody reads that pipe".into(),
            StatusFile => "start Nagios, and name its present status_file in the policy".into(),
            OptIn => "add `use repairable-service,...` and `_REPAIR NAME` to a service, and \
                      restart Nagios"
                .into(),
            AddRepair => "the policy has no such repair: add it there, or correct the name".into(),
        }
    }
}

impl HostFix {
    fn text(self, name: &str, context: &FixContext<'_>) -> String {
        use HostFix::*;
        // A name that could pass for an option is left for the reader to fill in.
        let host = if name.starts_with('-') { "HOST".into() } else { quoted(name) };
        let user = context.route(name).map_or("repair".into(), |route| quoted(&route.user));
        match self {
            Trust => format!("sudo repairctl trust {host}"),
            TrustUnlessConfigured => {
                format!("ssh_config may name another source; else: sudo repairctl trust {host}")
            }
            NewHostKey => format!("give it a new host key, then: sudo repairctl trust {host}"),
            CorrectAddress => format!(
                "correct its address in Nagios, or give hosts.{host}.address in the policy; look \
                 after name resolution here"
            ),
            InstallGate => gate_setup::install_gate(&host),
            UpdateGate => {
                format!("update repair_gate on {host} or this server; both versions work together")
            }
            Replace => format!(
                "find out whether {host} was reinstalled; only then: sudo repairctl trust {host} \
                 --replace"
            ),
            CompareKey => format!(
                "look at sshd's log on {host}; compare its key: sudo repairctl trust {host}"
            ),
            AuthorizedKeys => format!(
                "on {host}, create the account {user} (ssh.user) and put this line into \
                 ~{user}/.ssh/authorized_keys: {}",
                context.key_line(name)
            ),
            ForcedCommand => {
                format!("the line of authorized_keys must be: {}", context.key_line(name))
            }
            ReadSshdLog => format!("look at sshd's log on {host}"),
            ReadLog => format!("look at the system's log on {host}"),
            CheckGate => {
                format!("on {host}, as root: {GATE} check && {}", gate_setup::renew_sudoers())
            }
            OwnGateState => format!(
                "on {host}, as root: install -d -o {user} -g {user} -m 700 {GATE_STATE}; if that \
                 changes nothing, see the log there"
            ),
            NameRepair => format!(
                "name it in /etc/nagios-selfheal/repairs.json on {host}, then there, as root: {}",
                gate_setup::renew_sudoers()
            ),
            EndHold => format!("remove the hold file on {host} when the work is done"),
            ManyRequests => format!(
                "wait; if you did not request these repairs, look for the client in the system \
                 log of {host}"
            ),
            OpenKnownHosts => "chmod 644 that file, and let Nagios' user into its directory".into(),
            UseOpenSsh => r#""transport": "openssh" for this host"#.into(),
            OpenPort => {
                "start sshd there, open the firewall, or correct ssh.port in the policy".into()
            }
            KeyFirst => "fix the key first (see 'this server' above)".into(),
            StartAgent => "start the agent in Nagios' environment, or use a key file".into(),
            KeepTime => {
                format!("synchronise the clock of {host}, with chrony or systemd-timesyncd")
            }
        }
    }
}

impl FixContext<'_> {
    fn ledger_directory(&self) -> Option<&Path> {
        self.config.and_then(|config| config.ledger.parent())
    }

    fn route(&self, host: &str) -> Option<HostRoute> {
        self.config.map(|config| config.routes.route(host, None))
    }

    fn key_line(&self, host: &str) -> String {
        self.route(host)
            .map_or_else(|| "see repairctl init".into(), |route| gate_setup::key_line(&route.key))
    }
}

/// Whether no other account can lead a command of root on `path` elsewhere: none can change a
/// directory above it.
fn roots_alone(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    let found = Directory::open(path.parent().unwrap_or(path))
        .map(|above| above.metadata(path.file_name().unwrap_or_default()));
    found.is_ok_and(|found| found.map_or(true, |found| !found.is_symlink()))
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
