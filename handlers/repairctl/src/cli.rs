//! The command line: the commands; the arguments of each are in its folder.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use plugin_kit::Problem;

use crate::context::DEFAULT_POLICY;
use crate::doctor::args::DoctorArgs;
use crate::explain::args::ExplainArgs;
use crate::history::args::HistoryArgs;
use crate::init::args::InitArgs;
use crate::ledger::args::LedgerArgs;
use crate::lint::args::LintArgs;
use crate::pause::args::{PauseArgs, ResumeArgs, StatusArgs};
use crate::replay::args::ReplayArgs;
use crate::report::args::ReportArgs;
use crate::reset::args::ResetArgs;
use crate::show::args::ShowArgs;
use crate::sweep::args::SweepArgs;
use crate::trust::args::TrustArgs;

/// Sets up, understands, pauses, sweeps and reports what handle_repair does.
///
/// In names of hosts and services, a byte that is not UTF-8 is spelled \xF6.
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
pub struct RepairctlArgs {
    /// The rules
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = DEFAULT_POLICY
    )]
    pub policy: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: RepairctlCommand,
}

/// The commands, in the order in which an admin meets them.
#[derive(Debug, Subcommand)]
pub enum RepairctlCommand {
    /// Write a first policy and key, and show what goes onto the repaired host
    Init(InitArgs),
    /// Record a host's key, once you have compared its fingerprint
    Trust(TrustArgs),
    /// Check everything between Nagios and the gates of the hosts
    Doctor(DoctorArgs),
    /// Find what silently keeps Nagios from calling for repairs
    Lint(LintArgs),
    /// Say what would happen to a host or service now, and why
    Explain(ExplainArgs),
    /// List repairs and refusals
    History(HistoryArgs),
    /// Show everything about one repair
    Show(ShowArgs),
    /// Make a page or a mail about what was repaired
    Report(ReportArgs),
    /// Run a policy over Nagios' logs: what would it have done?
    Replay(ReplayArgs),
    /// Stop repairing: everything, a host, or a service
    Pause(PauseArgs),
    /// Undo a pause
    Resume(ResumeArgs),
    /// Close the breaker of a host or service by hand
    Reset(ResetArgs),
    /// Say whether repairs are paused, running, or held by a limit
    Status(StatusArgs),
    /// Offer what lost its chance to be repaired once more
    Sweep(SweepArgs),
    /// Maintain the ledger
    Ledger(LedgerArgs),
}

impl RepairctlCommand {
    /// Nagios' main configuration, where the command line names it.
    pub fn nagios_cfg(&self) -> Option<&PathBuf> {
        match self {
            RepairctlCommand::Init(words) => words.nagios_cfg.as_ref(),
            RepairctlCommand::Trust(words) => words.nagios_cfg.as_ref(),
            RepairctlCommand::Doctor(words) => words.nagios_cfg.as_ref(),
            RepairctlCommand::Pause(words) => words.nagios_cfg.as_ref(),
            _ => None,
        }
    }
}

/// The definition, for man pages and completions.
pub fn command() -> clap::Command {
    RepairctlArgs::command()
}

/// Reads the arguments after the program's name.
pub fn read(argv: &[OsString]) -> Result<RepairctlArgs, Problem> {
    let name = OsString::from("repairctl");
    RepairctlArgs::try_parse_from(std::iter::once(&name).chain(argv))
        .map_err(|error| Problem::misread(&error, "(see --help); nothing was done"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_valid_and_its_help_fits_a_terminal() {
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
    fn prints_a_usage_error_on_one_line() {
        for (argv, wanted) in
            [(vec![], "no command given"), (vec!["pauze"], "pauze"), (vec!["show"], "<JOB>")]
        {
            let argv: Vec<OsString> = argv.into_iter().map(OsString::from).collect();
            let refusal = read(&argv).unwrap_err().to_string();
            assert!(refusal.contains(wanted) && !refusal.contains('\n'), "{refusal}");
        }
    }
}
