//! Who is asking: the person, not the account that sudo has lent.

use std::env;

use plugin_kit::clean;
use privsep::Account;

/// The user who called sudo, else the one we run as.
pub fn name() -> String {
    let sudo = env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    sudo.or_else(account).map_or_else(|| "somebody".to_owned(), |name| clean(&name))
}

fn account() -> Option<String> {
    Account::of_uid(rustix::process::getuid().as_raw()).ok().flatten().map(|account| account.name)
}
