//! The user who called sudo(8).

use std::env;

use plugin_kit::clean;
use privsep::Account;

/// Returns the user ID and group ID of the user who called sudo. Returns `None` if the program was
/// started without sudo, or if root called sudo.
pub fn caller() -> Option<(u32, u32)> {
    let number = |name| env::var(name).ok()?.parse().ok();
    Some((number("SUDO_UID").filter(|uid| *uid != 0)?, number("SUDO_GID")?))
}

/// Returns the name of the user who called sudo. Without sudo, returns the name of the account that
/// runs this process.
pub fn caller_name() -> String {
    let sudo = env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    sudo.or_else(own_name).map_or_else(|| "somebody".to_owned(), |name| clean(&name))
}

fn own_name() -> Option<String> {
    Account::of_uid(rustix::process::getuid().as_raw()).ok().flatten().map(|account| account.name)
}
