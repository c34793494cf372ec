//! Arguments and help text of `repairctl explain`.

use clap::Args;

use crate::object::name_parser;

/// The arguments that follow `repairctl explain`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 1 if the object is in trouble and would not be repaired.

Examples:
  Why is HTTP not repaired?       repairctl explain web1 HTTP
  What if HTTP were CRITICAL?     repairctl explain web1 HTTP --state CRITICAL
  And at its second failure?      repairctl explain web1 HTTP \\
                                      --state 'CRITICAL;SOFT;2'")]
pub struct ExplainArgs {
    /// The host's name in Nagios
    #[arg(value_parser = name_parser())]
    pub host: String,
    /// The service's description in Nagios [default: explain the host itself]
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// Assume this state, for example CRITICAL (a HARD state) or
    /// CRITICAL;SOFT;2, which is the form of Nagios' log [default: the state in
    /// the status file]
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Assume that _REPAIR is NAME [default: the value in the status file]
    #[arg(long, value_name = "NAME")]
    pub repair: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
