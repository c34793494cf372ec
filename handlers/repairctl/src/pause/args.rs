//! The arguments of `repairctl pause`, `resume` and `status`.

use std::path::PathBuf;

use clap::Args;

use crate::object::name_parser;

/// The arguments of `pause`.
#[derive(Debug, Args)]
#[command(
    after_help = "A repair that is running goes on to its end. A pause replaces an earlier one of
the same scope. check_repairs warns as long as one holds. A host or service that
Nagios does not know is refused.

Exit codes: 1 when it is paused, but whether Nagios knows HOST or SERVICE could
not be looked up.

Examples:
  Nothing is to be repaired during tonight's migration:
    repairctl pause --for 6h --reason 'storage migration, call Alice'
  Only one service:
    repairctl pause web1 HTTP --reason 'debugging, ticket 4711'"
)]
pub struct PauseArgs {
    /// Only this host [default: everything]
    #[arg(value_parser = name_parser())]
    pub host: Option<String>,
    /// Only this service of it
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// For how long: 30m, 2h, 1d [default: until it is resumed]
    #[arg(long = "for", value_name = "SPAN")]
    pub span: Option<String>,
    /// Reason; it is shown wherever a repair is refused for it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Nagios' main configuration [default: where distributions put it]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
    /// Name of the person, passed on by root's half.
    #[arg(long, hide = true, value_name = "NAME")]
    pub by: Option<String>,
}

/// The arguments of `resume`.
#[derive(Debug, Args)]
#[command(after_help = "Ends the pause of just this scope, and says which others still hold.

Exit codes: 1 when there was no such pause.")]
pub struct ResumeArgs {
    /// The host that was paused [default: the pause of everything]
    #[arg(value_parser = name_parser())]
    pub host: Option<String>,
    /// The service of it that was paused
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
}

/// The arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 when nothing is paused, 1 when something is.")]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
