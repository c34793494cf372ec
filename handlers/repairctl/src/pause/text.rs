//! Describes pauses and their scopes in words.

use std::time::SystemTime;

use ledger::Paused;
use plugin_kit::{Problem, clean};

use crate::object::Object;

/// Returns the scope of a pause or resume command: `everything`, `web1` or `web1/HTTP`.
///
/// # Errors
/// Returns an error if a name is empty, so that a script with an empty variable does not pause
/// everything.
pub fn scope(host: Option<&str>, service: Option<&str>) -> Result<String, Problem> {
    if host == Some("") || service == Some("") {
        return Err(Problem::Usage(
            "the name of a host or service is empty: to select everything, omit the name; nothing \
             was changed"
                .into(),
        ));
    }
    Ok(host.map_or_else(|| "everything".to_owned(), |host| Object { host, service }.to_string()))
}

/// Returns the scope of a pause, safe to print on a terminal.
pub fn scope_of(paused: &Paused) -> String {
    clean(&paused.scope())
}

/// Describes a pause: `paused by alice for another 2 h: migration`.
pub fn describe(paused: &Paused, now: SystemTime) -> String {
    clean(&paused.as_reason(now).to_string())
}
