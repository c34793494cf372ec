//! The arguments of `repairctl history`.

use clap::{Args, ValueEnum};
use ledger::{RepairOutcome, RepairState};

use crate::object::name_parser;

/// The arguments of `history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  What was repaired since yesterday?     repairctl history --since 1d
  What needed people this month?         repairctl history --since 2026-11-01 \\
                                             --outcome not-healed
  Why does it refuse to repair web1?     repairctl history web1 --refused")]
pub struct HistoryArgs {
    /// Only this host and its services
    #[arg(value_parser = name_parser())]
    pub host: Option<String>,
    /// Only this service of it
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// Only from then on: 90m, 7d, 2026-11-01, "2026-11-01 14:30"
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only repairs that ended so
    #[arg(long, value_name = "OUTCOME", conflicts_with = "refused")]
    pub outcome: Option<OutcomeArg>,
    /// List what was refused, and why, instead of what was repaired
    #[arg(long)]
    pub refused: bool,
    /// List at most N, the newest ones; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How a repair ended, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutcomeArg {
    /// A rung ran and its check is good
    Healed,
    /// The ladder is spent and the fault is still there
    NotHealed,
    /// No rung could be run
    CouldNotRun,
    /// It may have run, nobody knows how it ended
    Unknown,
    /// It has not ended
    Running,
}

impl OutcomeArg {
    /// The state of such repairs in the ledger.
    pub fn state(self) -> RepairState {
        match self {
            OutcomeArg::Healed => RepairState::Ended(RepairOutcome::Healed),
            OutcomeArg::NotHealed => RepairState::Ended(RepairOutcome::NotHealed),
            OutcomeArg::CouldNotRun => RepairState::Ended(RepairOutcome::CouldNotRun),
            OutcomeArg::Unknown => RepairState::Ended(RepairOutcome::Unknown),
            OutcomeArg::Running => RepairState::Running,
        }
    }
}
