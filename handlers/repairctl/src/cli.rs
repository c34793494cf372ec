//! The command line of `repairctl`. Each command defines its arguments in its
//! own folder.

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

/// Set up, explain, pause, retry and report on handle_repair's repairs
///
/// In host and service names, write bytes that are not UTF-8 as escapes like \xF6.
#[derive(Debug, Parser)]
#[command(
    name = "repairctl",
    version,
    max_term_width = 80,
    after_help = "Exit codes:
  0  the command succeeded and found no problem
  1  the command succeeded but found a problem
  2  the command failed, or did only part of its work
  3  the arguments or the configuration are invalid; nothing was done"
)]
pub struct RepairctlArgs {
    /// Read the policy from this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = DEFAULT_POLICY
    )]
    pub policy: PathBuf,
    /// The command and its own arguments.
    #[command(subcommand)]
    pub command: RepairctlCommand,
}

/// The commands, in the order in which an admin first needs them.
#[derive(Debug, Subcommand)]
pub enum RepairctlCommand {
    /// Create a first policy and key, and show what to install on a host
    Init(InitArgs),
    /// Record a host's key after you have compared its fingerprint
    Trust(TrustArgs),
    /// Check the whole chain, from Nagios to the gates on the hosts
    Doctor(DoctorArgs),
    /// Find mistakes in the configuration of Nagios or Icinga 2 that silently prevent
    /// repairs
    Lint(LintArgs),
    /// Show whether a host or service would be repaired now, and why
    Explain(ExplainArgs),
    /// List repairs and refusals
    History(HistoryArgs),
    /// Show everything that is on record about one repair
    Show(ShowArgs),
    /// Report on the repairs of a month, as a web page or as text for an email
    Report(ReportArgs),
    /// Replay Nagios' logs and show what a policy would have done
    Replay(ReplayArgs),
    /// Pause all repairs, or only those of one host or service
    Pause(PauseArgs),
    /// End a pause
    Resume(ResumeArgs),
    /// Close the breaker for a host or service by hand
    Reset(ResetArgs),
    /// Show whether repairs are paused, running, or held back by a limit
    Status(StatusArgs),
    /// Retry repairs that were missed
    Sweep(SweepArgs),
    /// Maintain the ledger
    Ledger(LedgerArgs),
}

impl RepairctlCommand {
    /// Returns the path of Nagios' main configuration, if the command line
    /// names one.
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

/// Returns the definition of the command line, for man pages and completions.
pub fn command() -> clap::Command {
    RepairctlArgs::command()
}

/// Parses the arguments that follow the program's name.
pub fn read(argv: &[OsString]) -> Result<RepairctlArgs, Problem> {
    let name = OsString::from("repairctl");
    RepairctlArgs::try_parse_from(std::iter::once(&name).chain(argv))
        .map_err(|error| Problem::misread(&error, "(see --help); nothing was done"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_80_columns() {
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
    fn prints_usage_errors_on_one_line() {
        for (argv, wanted) in
            [(vec![], "no command given"), (vec!["pauze"], "pauze"), (vec!["show"], "<JOB>")]
        {
            let argv: Vec<OsString> = argv.into_iter().map(OsString::from).collect();
            let refusal = read(&argv).unwrap_err().to_string();
            assert!(refusal.contains(wanted) && !refusal.contains('\n'), "{refusal}");
        }
    }
}
