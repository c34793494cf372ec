//! The text of each fix that is about Icinga 2.

use super::advice::{FixContext, roots_alone};
use super::fix::{Advice, ServerFix, SiteFile};
use crate::paste::{Paste, path};
use privsep::quoted;

impl FixContext<'_> {
    /// Whether the policy selects Icinga 2.
    pub(super) fn is_icinga2(&self) -> bool {
        self.config.is_some_and(|config| config.icinga2.is_some())
    }

    /// Returns the fix for a problem with Icinga 2's API or its settings.
    pub(super) fn for_icinga2(&self, fix: &ServerFix) -> Advice {
        match fix {
            ServerFix::OwnApiPassword => self.own_password(),
            ServerFix::CorrectApi => "set icinga2.url to the name in the API's certificate, which \
                                      is Icinga 2's NodeName, and icinga2.ca to the CA that \
                                      signed it"
                .into(),
            ServerFix::EnableEventHandlers => "remove enable_event_handlers = false from Icinga \
                                               2's configuration, and reload Icinga 2"
                .into(),
            ServerFix::OptIn => "import repairable-service in a service, set vars.repair, and \
                                 reload Icinga 2"
                .into(),
            _ => "compare the ApiUser in Icinga 2 with nagios-config/icinga2/api-user.conf, and \
                  reload Icinga 2"
                .into(),
        }
    }

    fn own_password(&self) -> Advice {
        let user = quoted(&self.account.name);
        match self.place(&SiteFile::ApiPassword) {
            Some(file) if roots_alone(&file) => Advice::then(
                "put the password of the ApiUser into this file, then",
                Paste::here(format!("chown {user} {0} && chmod 600 {0}", path(&file))),
            ),
            _ => format!(
                "put the password of the ApiUser into a file with owner {user} and mode 0600, and \
                 set icinga2.password_file to that file"
            )
            .into(),
        }
    }
}
