//! The text of each fix that doctor prints.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine::configuration::{self, MainFile};
use policy_file::{Config, HostRoute};
use privsep::{Account, quoted};
use safe_file::Directory;

use super::fix::{Advice, CRON_EXAMPLE, CRON_FILE, Fix, HostFix, SWEEP_TIMER, ServerFix, SiteFile};
use crate::context::Context;
use crate::gate_setup::{self, GATE, GATE_STATE, HOLD};
use crate::paste::{Paste, path};

/// The data from which the texts of fixes are built. The root process has read all of it itself, so
/// the texts can safely contain commands for root.
pub struct FixContext<'a> {
    /// The account Nagios runs as, according to files that root trusts.
    pub account: &'a Account,
    /// The paths that were given on the command line.
    pub site: &'a Context,
    /// The policy with its paths, or `None` if the policy cannot be used.
    pub config: Option<&'a Config>,
}

impl Fix {
    /// Returns the text of the fix. `host` is the host that the finding is about, or `None` for
    /// this server.
    pub fn text(&self, host: Option<&str>, context: &FixContext<'_>) -> String {
        match self {
            Fix::Server(fix) => context.on_server(fix).to_string(),
            Fix::Host(fix) => context.on_host(*fix, host.unwrap_or("HOST")).to_string(),
        }
    }
}

impl FixContext<'_> {
    fn on_server(&self, fix: &ServerFix) -> Advice {
        use ServerFix::*;
        let site = self.site;
        let (user, group) = (quoted(&self.account.name), quoted(&self.account.group));
        let policy = &absolute(&site.policy);
        let ours = |words: &str| Paste::here(site.repairctl_with_nagios(words));
        match fix {
            OwnApiPassword | CorrectApi | GrantApiUser => self.for_icinga2(fix),
            EnableEventHandlers | OptIn if self.is_icinga2() => self.for_icinga2(fix),
            RunAsRoot => ours(&format!("doctor --nagios-user {user}")).into(),
            Init => ours("init").into(),
            AddFirstRepair => Advice::then(
                "add a repair to the policy, for example httpd",
                ours("init --repair httpd"),
            ),
            EnterDirectories(file) => self.enter_directories(file),
            OwnPolicy if roots_alone(policy) => {
                let policy = path(policy);
                let line = format!("chown root:{group} {policy} && chmod 640 {policy}");
                Advice::then(
                    "check the content of the policy, and then make root its owner",
                    Paste::here(line),
                )
            }
            OwnPolicy => format!(
                "move the policy to a directory that only root can change, and give the file the \
                 group {group} and mode 640"
            )
            .into(),
            CorrectPolicy => "correct this mistake in the policy".into(),
            NameNagiosCfg => "pass the path of nagios.cfg with --nagios-cfg".into(),
            StartNagios => self.control_nagios("start"),
            // Delete the file, because Nagios creates it again when Nagios restarts. The command
            // runs as Nagios' user, because root must not change files in Nagios' directories.
            ReadNagiosFile(file) => match (self.place(file), nagios_unit()) {
                (Some(place), Some(unit)) => Paste::here(format!(
                    "runuser -u {user} -- rm -f {} && systemctl restart {unit}",
                    path(&place)
                ))
                .into(),
                _ => format!("change the file's owner or mode so that {user} can use it").into(),
            },
            NameObjectCache => "set object_cache_file in nagios.cfg, and restart Nagios".into(),
            CorrectHost => "correct the host's name".into(),
            EnableEventHandlers => self.set_in_nagios_cfg("enable_event_handlers", "1"),
            EnableExternalCommands => self.set_in_nagios_cfg("check_external_commands", "1"),
            RaiseHandlerTimeout => self.set_in_nagios_cfg("event_handler_timeout", "30"),
            MatchNagiosCfg => "name the same file in the policy as in nagios.cfg".into(),
            InstallVerify => "install the program, or add its directory to plugin_path".into(),
            InstallLocalRung => "install the rung's program, or make it executable".into(),
            InstallWorker => "reinstall the package nagios-selfheal".into(),
            MakeKey { host } => self.make_key(host),
            OwnKey { host } => match self.place(&SiteFile::Key(host.clone())) {
                Some(key) if roots_alone(&key) => {
                    Paste::here(format!("chown {user} {0} && chmod 600 {0}", path(&key))).into()
                }
                _ => format!(
                    "move the key to a directory that only root can change, and give the file the \
                     owner {user} and mode 0600"
                )
                .into(),
            },
            PassphraseFile => "write the key's passphrase to a file with mode 0600, and set \
                               ssh.passphrase_file to its path"
                .into(),
            NamePrivateKey => "set ssh.key in the policy to the path of the private key".into(),
            MakeLedgerDirectory | OwnLedger | CloseLedger | MigrateLedger | SetLedgerAside => {
                self.for_ledger(fix)
            }
            CorrectLedger => "do what the message above says".into(),
            OwnSecrets | StartDatabase | PrepareDatabase | SynchronizeReplicas
            | CommitSynchronously | StartStandby | StopOldPrimary | KeepServerTime => {
                self.for_database(fix)
            }
            SetCommandFile => "set command_file in the policy to its value in nagios.cfg".into(),
            NameStatusFile => "set status_file in the policy to its value in nagios.cfg".into(),
            OptIn => "add `use repairable-service,...` and `_REPAIR NAME` to the definition of a \
                      service, and restart Nagios"
                .into(),
            AddRepair => {
                "add the missing repair to the policy, or correct the name after _REPAIR".into()
            }
            EnableSweep => Paste::here(format!("systemctl enable --now {SWEEP_TIMER}")).into(),
            AddSweepTimer => format!(
                "install the package nagios-selfheal, or let cron run this command as {user}: \
                 {sweep}",
                sweep = site.repairctl("sweep")
            )
            .into(),
            AddSweepJob => Paste::here(format!("cp {CRON_EXAMPLE} {CRON_FILE}")).into(),
        }
    }

    fn enter_directories(&self, file: &SiteFile) -> Advice {
        let user = quoted(&self.account.name);
        let file = self.place(file).unwrap_or_default();
        let opened: Vec<String> = file.ancestors().skip(1).filter_map(|d| self.open(d)).collect();
        match opened.is_empty() {
            true => format!("let {user} enter every directory above the file").into(),
            false => Paste::here(opened.join(" && ")).into(),
        }
    }

    /// Returns the command that lets Nagios' user enter a directory. Returns `None` if the user can
    /// already enter it, or if accounts other than root can change the directory.
    fn open(&self, directory: &Path) -> Option<String> {
        let found = directory.symlink_metadata().ok().filter(|_| roots_alone(directory))?;
        let (who, bit) = if found.gid() == self.account.gid { ("g", 0o010) } else { ("a", 0o001) };
        (found.mode() & bit == 0).then(|| format!("chmod {who}+x {}", path(directory)))
    }

    /// Returns the command that creates the host's private key at the path named in the policy.
    fn make_key(&self, host: &str) -> Advice {
        let (user, group) = (quoted(&self.account.name), quoted(&self.account.group));
        match self.place(&SiteFile::Key(host.to_owned())) {
            Some(key) if roots_alone(&key) => {
                let key = path(&key);
                Advice::then(
                    "create a key, whose public half you must then install on the hosts",
                    Paste::here(format!(
                        "ssh-keygen -q -t ed25519 -N '' -C nagios-selfheal -f {key} && chown \
                         {user}:{group} {key} {key}.pub"
                    )),
                )
            }
            _ => "set ssh.key to a path in a directory that only root can change".into(),
        }
    }

    fn control_nagios(&self, verb: &str) -> Advice {
        let engine = if self.is_icinga2() { "Icinga 2" } else { "Nagios" };
        let unit = if self.is_icinga2() { unit(&["icinga2"]) } else { nagios_unit() };
        match unit {
            Some(unit) => Paste::here(format!("systemctl {verb} {unit}")).into(),
            None => format!("{verb} {engine}").into(),
        }
    }

    fn set_in_nagios_cfg(&self, name: &str, value: &str) -> Advice {
        let file = self.site.nagios_cfg.clone().or_else(configuration::find);
        let change = file.map(|file| absolute(&file)).filter(|file| roots_alone(file));
        match (change, nagios_unit()) {
            (Some(file), Some(unit)) => Paste::here(format!(
                "sed -i 's/^{name}=.*/{name}={value}/' {} && systemctl restart {unit}",
                path(&file)
            ))
            .into(),
            _ => format!("set {name}={value} in nagios.cfg, and restart Nagios").into(),
        }
    }

    fn on_host(&self, fix: HostFix, name: &str) -> Advice {
        use HostFix::*;
        // Other programs would treat a name that starts with `-` as an option. Print HOST instead,
        // and let the admin fill in the name.
        let host = if name.starts_with('-') { "HOST".into() } else { quoted(name) };
        let host = host.as_str();
        let user = self.route(name).map_or("repair".into(), |route| quoted(&route.user));
        let ours = |words: &str| Paste::here(self.site.repairctl_with_nagios(words));
        let trust = || ours(&format!("trust {host}"));
        let renew = || Paste::on(host, gate_setup::renew_sudoers());
        match fix {
            Trust => trust().into(),
            TrustUnlessConfigured => Advice::then(
                "record the host's key, unless ssh_config names another source of host keys",
                trust(),
            ),
            NewHostKey => Advice::then(
                format!(
                    "create new host keys on {host} (`{new_keys}`), and then record one of them",
                    new_keys = gate_setup::NEW_HOST_KEYS
                ),
                trust(),
            ),
            CorrectAddress => format!(
                "correct the address of {host} in Nagios, or set hosts.{host}.address in the \
                 policy; if the address is a name, check that this server can resolve it"
            )
            .into(),
            InstallGate => Advice::then(
                format!(
                    "install the package repair-gate on {host}, or let init copy the gate from \
                     this server"
                ),
                self.set_up(host),
            ),
            UpdateGate => format!(
                "update the older version, on {host} or on this server; until then, repairs work \
                 with both versions"
            )
            .into(),
            Replace => Advice::then(
                format!("find out whether {host} was reinstalled; if it was, replace its key"),
                ours(&format!("trust {host} --replace")),
            ),
            CompareKey => Advice::then(
                format!("read sshd's log on {host}, and then compare the host's key"),
                trust(),
            ),
            AuthorizedKeys if user == "repair" => self.set_up(host).into(),
            AuthorizedKeys => format!(
                "on {host}, create the account {user}, which the policy names as ssh.user, and add \
                 this line to ~{user}/.ssh/authorized_keys: {line}",
                line = self.key_line(name)
            )
            .into(),
            ForcedCommand => format!(
                "on {host}, change the line in ~{user}/.ssh/authorized_keys to: {line}",
                line = self.key_line(name)
            )
            .into(),
            ReadSshdLog => format!("look for the reason in sshd's log on {host}").into(),
            ReadLog => format!("look for the reason in the system log of {host}").into(),
            CheckGate => {
                Paste::on(host, format!("{GATE} check && {}", gate_setup::renew_sudoers())).into()
            }
            OwnGateState => {
                Paste::on(host, format!("install -d -o {user} -g {user} -m 700 {GATE_STATE}"))
                    .into()
            }
            NameRepair => Advice::then(
                "add the missing repair to /etc/nagios-selfheal/repairs.json, and then update the \
                 sudo rules",
                renew(),
            ),
            EndHold => Advice::then(
                "when the maintenance is done, remove the hold file",
                Paste::on(host, format!("rm {HOLD}")),
            ),
            ManyRequests => format!(
                "wait; if you did not request these repairs, find out from the system log of \
                 {host} which client did"
            )
            .into(),
            OpenKnownHosts => self.open_known_hosts(name),
            UseOpenSsh => r#"set "transport": "openssh" for this host in the policy"#.into(),
            OpenPort => {
                "start sshd on the host, open its port in the firewall, or correct ssh.port in the \
                 policy"
                    .into()
            }
            KeyFirst => "fix the key first, as described under 'this server' above".into(),
            StartAgent => "start ssh-agent in Nagios' environment, or use a key file".into(),
            KeepTime => format!(
                "synchronise the clock of {host}, for example with chrony or systemd-timesyncd"
            )
            .into(),
        }
    }

    /// Returns the command that installs everything that is missing on the host.
    fn set_up(&self, host: &str) -> Paste {
        let line = self.site.repairctl_with_nagios(&format!("init --target {host}"));
        Paste::as_yourself(format!("sudo {line}"))
    }

    fn open_known_hosts(&self, host: &str) -> Advice {
        let files = self.route(host).map(|route| route.known_hosts).unwrap_or_default();
        let ours: Vec<&PathBuf> =
            files.iter().filter(|file| file.exists() && roots_alone(file)).collect();
        if ours.is_empty() {
            return "let Nagios' user read known_hosts".into();
        }
        let quoted: Vec<String> = ours.iter().map(|file| path(file)).collect();
        Paste::here(format!("chmod a+r {}", quoted.join(" "))).into()
    }

    /// Returns the path of a file. The path comes only from configuration that the root process has
    /// read itself.
    pub(super) fn place(&self, file: &SiteFile) -> Option<PathBuf> {
        match file {
            SiteFile::Policy => Some(absolute(&self.site.policy)),
            SiteFile::Key(host) => Some(self.route(host)?.key),
            SiteFile::Ledger => Some(self.config?.ledger.local().to_owned()),
            SiteFile::CommandFile => self.config?.command_file.clone(),
            SiteFile::StatusFile => self.config?.status_file.clone(),
            SiteFile::ApiPassword => Some(self.config?.icinga2.as_ref()?.password_file.clone()),
            SiteFile::ObjectCache => {
                let main = MainFile::of_root(self.site.nagios_cfg.as_deref())?;
                main.text("object_cache_file").map(PathBuf::from)
            }
        }
    }

    fn route(&self, host: &str) -> Option<HostRoute> {
        self.config.map(|config| config.routes.route(host, None))
    }

    fn key_line(&self, host: &str) -> String {
        self.route(host)
            .map_or_else(|| "(see repairctl init)".into(), |route| gate_setup::key_line(&route.key))
    }
}

/// Whether root can safely run a command on `path`. This is the case if `path` is not a link and
/// only root can change the directories above it. In this case, no other account can redirect the
/// command to another file.
pub(super) fn roots_alone(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    let found = Directory::open(path.parent().unwrap_or(path))
        .map(|above| above.metadata(path.file_name().unwrap_or_default()));
    found.is_ok_and(|found| found.map_or(true, |found| !found.is_symlink()))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the name of the systemd unit that runs Nagios on this server.
fn nagios_unit() -> Option<&'static str> {
    unit(&["nagios4", "nagios", "naemon", "icinga"])
}

/// Returns the first of these systemd units that exists on this server.
fn unit(names: &[&'static str]) -> Option<&'static str> {
    const DIRECTORIES: [&str; 4] = [
        "/etc/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ];
    let is_there = |unit: &&str| {
        DIRECTORIES.iter().any(|place| Path::new(place).join(format!("{unit}.service")).exists())
    };
    names.iter().copied().find(is_there)
}
