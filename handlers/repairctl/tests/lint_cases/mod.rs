//! The defects for testing lint. Each case edits a correct configuration and names the expected
//! finding.

mod calls;
mod main_config;
mod objects;

/// A configuration with one defect.
pub struct Case {
    /// The name of the defect, which is shown if the test fails.
    pub name: &'static str,
    /// Replacements, each with a file, the old text and the new text. If the old text is empty, the
    /// new text is appended. `DIR` in the new text stands for the directory of the configuration.
    pub edits: &'static [(&'static str, &'static str, &'static str)],
    /// Location of the finding: a file, and a part of the file's text. The finding is on the last
    /// line of that part. If the part is empty, the finding is about the whole file.
    pub at: (&'static str, &'static str),
    pub level: &'static str,
    pub code: &'static str,
    /// Part of the fix that lint must print.
    pub fix: &'static str,
    /// Whether Nagios accepts the configuration: [`ACCEPTED`] or [`REFUSED`].
    pub nagios: &'static str,
}

/// Value of [`Case::nagios`] if `nagios -v` accepts the configuration.
pub const ACCEPTED: &str = "Nagios accepts it";
/// Value of [`Case::nagios`] if `nagios -v` refuses the configuration.
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
/// A word on the command line of the service's handler. Many cases use it as the location of the
/// expected finding.
const LINE: &str = "'$SERVICESTATE$'";
const ENABLED: &str = "event_handler           handle_repair\n    event_handler_enabled   1";
const OPTED: &str = "    _REPAIR             httpd";

/// Returns the cases from the modules `calls`, `objects` and `main_config`.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [calls::CASES, objects::CASES, main_config::CASES].into_iter().flatten()
}
