//! Who is asking: the person, not the account that sudo has lent.

use std::env;
use std::process::{Command, Stdio};

use plugin_kit::clean;

/// The user who called sudo, else the one we run as.
pub fn asks() -> String {
    let sudo = env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    sudo.or_else(account).map_or_else(|| "somebody".to_owned(), |name| clean(&name))
}

/// As `id` says, which asks wherever the system keeps its users. By its path: `PATH` is the caller's.
fn account() -> Option<String> {
    let said = Command::new("/usr/bin/id").arg("-un").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let name = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}
