//! The planted defects: each is an edit or two of a good configuration, and what lint has to say
//! about it.

mod calls;
mod main_config;
mod objects;

/// One broken configuration.
pub struct Case {
    /// What it holds.
    pub name: &'static str,
    /// File, text, what stands there instead; an empty text appends. `DIR` is the directory of the
    /// configuration.
    pub edits: &'static [(&'static str, &'static str, &'static str)],
    /// The file and a text that ends in the line that is found; an empty text is the whole file.
    pub at: (&'static str, &'static str),
    pub level: &'static str,
    pub code: &'static str,
    /// A part of the fix.
    pub fix: &'static str,
    /// [`ACCEPTED`] or [`REFUSED`].
    pub nagios: &'static str,
}

/// `nagios -v` has nothing against it.
pub const ACCEPTED: &str = "Nagios accepts it";
/// `nagios -v` refuses it.
pub const REFUSED: &str = "Nagios refuses it";

const fn case(
    name: &'static str,
    edits: &'static [(&'static str, &'static str, &'static str)],
    at: (&'static str, &'static str),
    level: &'static str,
    code: &'static str,
    fix: &'static str,
) -> Case {
    Case { name, edits, at, level, code, fix, nagios: ACCEPTED }
}

const fn refused(case: Case) -> Case {
    Case { nagios: REFUSED, ..case }
}

const COMMANDS: &str = "commands.cfg";
const TEMPLATES: &str = "templates.cfg";
const SERVICES: &str = "services.cfg";
const MAIN: &str = "nagios.cfg";
const POLICY: &str = "policy.json";
/// The line of the service's handler.
const LINE: &str = "'$SERVICESTATE$'";
const ENABLED: &str = "event_handler           handle_repair\n    event_handler_enabled   1";
const OPTED: &str = "    _REPAIR             httpd";

/// All of them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [calls::CASES, objects::CASES, main_config::CASES].into_iter().flatten()
}
