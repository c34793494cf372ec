//! The text of each fix for a problem with the ledger, in SQLite or in PostgreSQL.

use std::path::PathBuf;

use policy_file::{LedgerConfig, PostgresConfig, PostgresHost};
use privsep::quoted;

use super::advice::{FixContext, roots_alone};
use super::fix::{Advice, ServerFix, SiteFile};
use crate::paste::{Paste, path};

impl FixContext<'_> {
    /// Returns the text of a fix for a problem with PostgreSQL.
    pub(super) fn for_database(&self, fix: &ServerFix) -> Advice {
        let Some(LedgerConfig::Postgres(postgres)) = self.config.map(|config| &config.ledger)
        else {
            return "fix the policy first".into();
        };
        let database = quoted(&postgres.dbname);
        match fix {
            ServerFix::OwnSecrets => self.own_secrets(postgres),
            ServerFix::StartDatabase if postgres.hosts.iter().all(PostgresHost::is_local) => {
                Paste::here("systemctl start postgresql").into()
            }
            ServerFix::PrepareDatabase => Advice::then(
                "if PostgreSQL runs elsewhere, run the second command there",
                Paste::here(format!(
                    "{} | runuser -u postgres -- psql -v ON_ERROR_STOP=1 -d {database}",
                    self.site.repairctl("ledger schema")
                )),
            ),
            ServerFix::SynchronizeReplicas => Advice::then(
                "if Patroni manages PostgreSQL, set Patroni's synchronous_mode; otherwise, run \
                 this on PostgreSQL's primary server",
                Paste::here(
                    "runuser -u postgres -- psql -c \"ALTER SYSTEM SET synchronous_standby_names = \
                     '*'\" -c \"SELECT pg_reload_conf()\"",
                ),
            ),
            ServerFix::CommitSynchronously => {
                let role = quoted(&postgres.user);
                format!(
                    "on the primary server of PostgreSQL, remove synchronous_commit from \
                     postgresql.conf and from the settings of the database {database} and the role \
                     {role} (ALTER DATABASE and ALTER ROLE, RESET synchronous_commit)"
                )
                .into()
            }
            ServerFix::StartStandby => "start a standby that synchronous_standby_names lists; if \
                                        there is none any more, remove it from this setting"
                .into(),
            ServerFix::StopOldPrimary => "stop PostgreSQL there at once, and make it a standby of \
                                          the server that has taken over (pg_rewind)"
                .into(),
            ServerFix::KeepServerTime => {
                "synchronise the clocks of this server and of PostgreSQL, with chrony or \
                 systemd-timesyncd"
                    .into()
            }
            _ => "start PostgreSQL, open the firewall, or correct ledger.postgres in the policy"
                .into(),
        }
    }

    /// Returns the command that lets only root and Nagios' user read the password and the private
    /// key.
    fn own_secrets(&self, postgres: &PostgresConfig) -> Advice {
        let group = quoted(&self.account.group);
        let key = postgres.tls.iter().filter_map(|tls| Some(&tls.client.as_ref()?.1));
        let files: Vec<&PathBuf> = postgres.password_file.iter().chain(key).collect();
        if files.is_empty() || !files.iter().all(roots_alone) {
            return format!(
                "move the password, the certificates and the private key to a directory that only \
                 root can change, and give these files the group {group} and mode 640"
            )
            .into();
        }
        let files: Vec<String> = files.into_iter().map(|file| path(file)).collect();
        let files = files.join(" ");
        Paste::here(format!("chown root:{group} {files} && chmod 640 {files}")).into()
    }

    /// Returns the text of a fix for a problem with a SQLite ledger, or with the local files of a
    /// PostgreSQL ledger.
    pub(super) fn for_ledger(&self, fix: &ServerFix) -> Advice {
        let (user, group) = (quoted(&self.account.name), quoted(&self.account.group));
        let directory = self.place(&SiteFile::Ledger).and_then(|file| Some(file.parent()?.into()));
        let Some::<PathBuf>(directory) = directory else { return "fix the policy first".into() };
        let is_roots = roots_alone(&directory);
        let directory = path(&directory);
        let make = format!("install -d -o {user} -g {group} -m 750 {directory}");
        match fix {
            ServerFix::MakeLedgerDirectory if is_roots => Paste::here(make).into(),
            ServerFix::MakeLedgerDirectory => {
                Paste::here(format!("runuser -u {user} -- mkdir -m 750 {directory}")).into()
            }
            // Nagios' user can put links into this directory. So chown, which runs as root, must
            // not follow links (-h), and chmod runs as Nagios' user.
            ServerFix::OwnLedger => Paste::here(format!(
                "chown -hR {user}:{group} {directory} && runuser -u {user} -- chmod -R u+rwX \
                 {directory}"
            ))
            .into(),
            ServerFix::MigrateLedger => Paste::here(self.site.repairctl("ledger migrate")).into(),
            ServerFix::SetLedgerAside if is_roots => Advice::then(
                "restore a backup of the ledger; or, to start with an empty history",
                Paste::here(format!("mv {directory} {directory}.damaged && {make}")),
            ),
            ServerFix::SetLedgerAside => {
                "restore a backup of the ledger; or, to start with an empty history, move the \
                 ledger's directory away"
                    .into()
            }
            _ => Advice::then(
                "check whether other accounts have changed the ledger's history, and then remove \
                 their access",
                Paste::here(format!(
                    "chown -hR {user}:{group} {directory} && runuser -u {user} -- chmod -R \
                     g-w,o= {directory}"
                )),
            ),
        }
    }
}
