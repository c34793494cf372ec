//! The command line. The only module that knows clap; each command's words stand in a file of its
//! own.

mod doctor;
mod explain;
mod history;
mod init;
mod lint;
mod pause;
mod replay;
mod report;
mod show;
mod sweep;
mod trust;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use plugin_kit::Problem;

pub use doctor::Doctor;
pub use explain::Explain;
pub use history::{Ended, History};
pub use init::Init;
pub use lint::Lint;
pub use pause::{Pause, Resume, Status};
pub use replay::{Assume, Replay};
pub use report::Report;
pub use show::Show;
pub use sweep::Sweep;
pub use trust::Trust;

/// Sets up, understands, pauses, sweeps and reports what handle_repair does.
#[derive(Debug, Parser)]
#[command(
    name = "repairctl",
    version,
    max_term_width = 80,
    after_help = "Exit codes:
  0  done, and nothing is wrong
  1  done, and what was looked at is not as it should be
  2  could not be done, or not wholly
  3  bad arguments or configuration; nothing was done"
)]
pub struct Words {
    /// The rules
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/nagios-selfheal/policy.json"
    )]
    pub policy: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order in which an admin meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first policy and key, and show what goes onto the repaired host
    Init(Init),
    /// Record a host's key, once you have compared its fingerprint
    Trust(Trust),
    /// Check everything between Nagios and the gates of the hosts
    Doctor(Doctor),
    /// Find what silently keeps Nagios from calling for repairs
    Lint(Lint),
    /// Say what would happen to a host or service now, and why
    Explain(Explain),
    /// List repairs and refusals
    History(History),
    /// Show everything about one repair
    Show(Show),
    /// Make a page or a mail about what was repaired
    Report(Report),
    /// Run a policy over Nagios' logs: what would it have done?
    Replay(Replay),
    /// Stop repairing: everything, a host, or a service
    Pause(Pause),
    /// Undo a pause
    Resume(Resume),
    /// Say whether repairs are paused, running, or held by a limit
    Status(Status),
    /// Offer what lost its chance to be repaired once more
    Sweep(Sweep),
}

impl Command {
    /// Nagios' main configuration, where the command line names it.
    pub fn nagios_cfg(&self) -> Option<&PathBuf> {
        match self {
            Command::Init(words) => words.nagios_cfg.as_ref(),
            Command::Trust(words) => words.nagios_cfg.as_ref(),
            Command::Doctor(words) => words.nagios_cfg.as_ref(),
            _ => None,
        }
    }
}

/// The definition, for man pages and completions.
pub fn command() -> clap::Command {
    Words::command()
}

/// Reads the arguments after the program's name.
pub fn read(argv: &[OsString]) -> Result<Words, Problem> {
    let name = OsString::from("repairctl");
    Words::try_parse_from(std::iter::once(&name).chain(argv))
        .map_err(|error| Problem::misread(&error, "(see --help); nothing was done"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound_and_help_fits_the_terminal() {
        command().debug_assert();
        let mut all = command();
        all.build();
        let subcommands: Vec<clap::Command> = all.get_subcommands().cloned().collect();
        for mut one in std::iter::once(all).chain(subcommands) {
            for line in one.render_long_help().to_string().lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn a_wrong_command_line_is_one_line() {
        for (argv, wanted) in
            [(vec![], "which command?"), (vec!["pauze"], "pauze"), (vec!["show"], "<JOB>")]
        {
            let argv: Vec<OsString> = argv.into_iter().map(OsString::from).collect();
            let refusal = read(&argv).unwrap_err().to_string();
            assert!(refusal.contains(wanted) && !refusal.contains('\n'), "{refusal}");
        }
    }
}
