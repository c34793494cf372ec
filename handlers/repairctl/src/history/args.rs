//! Arguments and help text of `repairctl history`.

use clap::{Args, ValueEnum};
use ledger::{RepairOutcome, RepairState};

use crate::object::name_parser;

/// The arguments that follow `repairctl history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  What was repaired since yesterday?     repairctl history --since 1d
  What was escalated this month?         repairctl history --since 2026-11-01 \\
                                             --outcome escalated
  Why was web1 not repaired?             repairctl history web1 --refused")]
pub struct HistoryArgs {
    /// List only this host and its services
    #[arg(value_parser = name_parser())]
    pub host: Option<String>,
    /// List only this service of HOST
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// List records since this time: 90m (minutes ago), 7d (days ago),
    /// 2026-11-01, "2026-11-01 14:30"
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// List records before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// List only repairs with this outcome
    #[arg(long, value_name = "OUTCOME", conflicts_with = "refused")]
    pub outcome: Option<OutcomeArg>,
    /// List refusals with their reasons instead of repairs
    #[arg(long)]
    pub refused: bool,
    /// List only the N newest records, or all records if N is 0. The counts of
    /// refusals cover only the newest 10000 refusals, or the newest N if N is
    /// larger. There is one count for each object and reason, and there are at
    /// most 10000 counts
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The outcome of a repair, as a value of `--outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutcomeArg {
    /// A rung ran and its check is OK
    Healed,
    /// The repair did not heal the fault, could not run, or has an unknown result
    Escalated,
    /// All rungs were tried and the fault is still there
    NotHealed,
    /// No rung could be run
    CouldNotRun,
    /// A rung may have run, but its result is unknown
    Unknown,
    /// The repair has not ended yet
    Running,
}

impl OutcomeArg {
    /// Returns the repair states in the ledger that correspond to this outcome.
    pub fn states(self) -> &'static [RepairState] {
        use RepairOutcome::{CouldNotRun, Healed, NotHealed, Unknown};
        use RepairState::{Ended, Running};
        match self {
            OutcomeArg::Healed => &[Ended(Healed)],
            OutcomeArg::Escalated => &[Ended(NotHealed), Ended(CouldNotRun), Ended(Unknown)],
            OutcomeArg::NotHealed => &[Ended(NotHealed)],
            OutcomeArg::CouldNotRun => &[Ended(CouldNotRun)],
            OutcomeArg::Unknown => &[Ended(Unknown)],
            OutcomeArg::Running => &[Running],
        }
    }
}
