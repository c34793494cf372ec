//! How to fix each problem: a line to paste where one will do. The half that collects findings names the fix. The half that
//! prints it makes the text, from a template and what it knows itself. Of what Nagios' user can forge, only the names of
//! hosts get into a command, quoted.

use std::path::Path;

use handle_repair::config::{Config, Way};
use privsep::{Account, quoted};
use serde::{Deserialize, Serialize};

use crate::side;

/// A fix. Each variant is one text; see [`Fix::text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fix {
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
    Trust { host: String },
    TrustUnlessConfigured { host: String },
    NewHostKey { host: String },
    OpenKnownHosts,
    UseOpenSsh,
    CorrectAddress { host: String },
    OpenPort,
    InstallGate { host: String },
    UpdateGate { host: String },
    Replace { host: String },
    CompareKey { host: String },
    AuthorizedKeys { host: String },
    ForcedCommand { host: String },
    KeyFirst,
    StartAgent,
    ReadSshdLog { host: String },
    ReadLog { host: String },
    CheckGate { host: String },
    NameRepair { host: String },
    EndHold { host: String },
    ManyRequests { host: String },
    KeepTime { host: String },
}

/// What the half that prints a fix knows itself.
pub struct FixContext<'a> {
    /// As whom Nagios runs.
    pub account: &'a Account,
    /// The policy's file.
    pub policy: &'a Path,
    /// The policy, if it can be used.
    pub config: Option<&'a Config>,
}

impl Fix {
    /// Returns the text for a person, from the template of this variant.
    pub fn text(&self, known: &FixContext<'_>) -> String {
        let Account { name: user, group, .. } = known.account;
        let (user, group) = (quoted(user), quoted(group));
        let policy = path(known.policy);
        let ledger = known.config.map(|config| &config.ledger).map_or("the ledger".into(), |ledger| path(ledger));
        let beside = known.config.and_then(|config| config.ledger.parent()).map_or("its directory".into(), path);
        match self {
            Fix::RunAsRoot => format!("run it as root and name that user: sudo repairctl doctor --nagios-user {user}"),
            Fix::Init => "sudo repairctl init writes a first one".into(),
            Fix::OpenPolicyDirectory => {
                let above = path(known.policy.parent().unwrap_or(known.policy));
                format!("chmod 755 {above}, so that {user} reaches it")
            }
            Fix::GivePolicyToGroup => format!("chgrp {group} {policy} && chmod 640 {policy}"),
            Fix::CorrectPolicy => "correct policy.json at that line".into(),
            Fix::NameNagiosCfg => "name it with --nagios-cfg".into(),
            Fix::StartNagios => "start Nagios".into(),
            Fix::CorrectHost => "correct its name".into(),
            Fix::ChangeNagiosCfg => "change it there and restart Nagios".into(),
            Fix::InstallVerify => "install it, or name its place in plugin_path".into(),
            Fix::InstallLocalRung => "install it, or chmod +x it".into(),
            Fix::InstallWorker => "install the package anew".into(),
            Fix::MakeKey => {
                "sudo repairctl init makes it (if it is there: chmod the directories above it, for Nagios' group)".into()
            }
            Fix::OwnKey { host } => {
                let key = known.way(host).map_or("the key".into(), |way| path(&way.key));
                format!("chown {user} {key} && chmod 600 {key}")
            }
            Fix::PassphraseFile => "give its passphrase in a file of mode 0600, as ssh.passphrase_file".into(),
            Fix::NamePrivateKey => "name the private key itself as ssh.key".into(),
            Fix::MakeLedgerDirectory => format!("install -d -o {user} -g {group} -m 750 {beside}"),
            Fix::OwnLedger => format!("chown -hR {user}:{group} {beside} && chmod -R u+rwX {beside}"),
            Fix::CloseLedger => {
                format!("see that its history is right, then: chown -hR {user}:{group} {beside} && chmod -R g-w,o= {beside}")
            }
            Fix::CorrectLedger => format!("repair {ledger}, or move it away: repairs begin with an empty history then"),
            Fix::SetCommandFile => "set command_file to that of nagios.cfg".into(),
            Fix::MakeCommandFile => {
                "start Nagios; it makes the pipe (check_external_commands=1, and the same command_file in nagios.cfg)".into()
            }
            Fix::OpenCommandFile => format!("let {user} write it: look at its owner and mode"),
            Fix::ReadCommandFile => "start Nagios: nobody reads that pipe".into(),
            Fix::StatusFile => "start Nagios, and name its present status_file in the policy".into(),
            Fix::OptIn => "add `use repairable-service,...` and `_REPAIR NAME` to a service, and restart Nagios".into(),
            Fix::AddRepair => "the policy has no such repair: add it there, or correct the name".into(),
            Fix::Trust { host } => format!("sudo repairctl trust {}", name(host)),
            Fix::TrustUnlessConfigured { host } => {
                format!("ssh_config may name another source; else: sudo repairctl trust {}", name(host))
            }
            Fix::NewHostKey { host } => format!("give it a new host key, then: sudo repairctl trust {}", name(host)),
            Fix::OpenKnownHosts => "chmod 644 that file, and let Nagios' user into its directory".into(),
            Fix::UseOpenSsh => r#""transport": "openssh" for this host"#.into(),
            Fix::CorrectAddress { host } => format!(
                "correct its address in Nagios, or give hosts.{}.address in the policy; look after name resolution here",
                name(host)
            ),
            Fix::OpenPort => "start sshd there, open the firewall, or correct ssh.port in the policy".into(),
            Fix::InstallGate { host } => side::install_gate(&name(host)),
            Fix::UpdateGate { host } => {
                format!("update repair_gate on {} or this server; both versions work together", name(host))
            }
            Fix::Replace { host } => {
                format!("find out whether {0} was reinstalled; only then: sudo repairctl trust {0} --replace", name(host))
            }
            Fix::CompareKey { host } => {
                format!("look at sshd's log on {0}; compare its key: sudo repairctl trust {0}", name(host))
            }
            Fix::AuthorizedKeys { host } => {
                let user = known.way(host).map_or("repair".into(), |way| quoted(&way.user));
                format!(
                    "on {}, create the account {user} (ssh.user) and put this line into ~{user}/.ssh/authorized_keys: {}",
                    name(host),
                    known.key_line(host)
                )
            }
            Fix::ForcedCommand { host } => format!("the line of authorized_keys must be: {}", known.key_line(host)),
            Fix::KeyFirst => "fix the key first (see 'this server' above)".into(),
            Fix::StartAgent => "start the agent in Nagios' environment, or use a key file".into(),
            Fix::ReadSshdLog { host } => format!("look at sshd's log on {}", name(host)),
            Fix::ReadLog { host } => format!("look at the system's log on {}", name(host)),
            Fix::CheckGate { host } => {
                format!("on {}, as root: {} check && {}", name(host), side::GATE, side::renew_sudoers())
            }
            Fix::NameRepair { host } => format!(
                "name it in /etc/nagios-selfheal/repairs.json on {}, then there, as root: {}",
                name(host),
                side::renew_sudoers()
            ),
            Fix::EndHold { host } => format!("remove the hold file on {} when the work is done", name(host)),
            Fix::ManyRequests { host } => {
                format!("wait; if you did not request these repairs, look for the client in the system log of {}", name(host))
            }
            Fix::KeepTime { host } => format!("synchronise the clock of {}, with chrony or systemd-timesyncd", name(host)),
        }
    }
}

impl FixContext<'_> {
    fn way(&self, host: &str) -> Option<Way> {
        self.config.map(|config| config.reach.way(host, None))
    }

    fn key_line(&self, host: &str) -> String {
        self.way(host).map_or_else(|| "see repairctl init".into(), |way| side::key_line(&way.key))
    }
}

/// Quotes a host's name for a command. A name that could pass for an option is left to the reader.
fn name(host: &str) -> String {
    if host.starts_with('-') { "HOST".into() } else { quoted(host) }
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
