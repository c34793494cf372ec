//! Arguments and help text of `repairctl reset`.

use clap::Args;

use crate::object::name_parser;

/// The arguments that follow `repairctl reset`.
#[derive(Debug, Args)]
#[command(after_help = "\
After a reset, earlier repairs no longer count towards the breaker and the
incident's budget, so the next event or sweep can start a repair again. The
cooldown and the budget per time window stay in effect, because they prevent
endless repairs.

Exit codes: 1 if nothing was reset, because the ledger has no record of HOST or
SERVICE.

Example:
  The cause is fixed, and repairs can help again:
    repairctl reset web1 HTTP --reason 'disk replaced, ticket 4711'")]
pub struct ResetArgs {
    /// Reset this host, and all its services unless SERVICE is given
    #[arg(value_parser = name_parser())]
    pub host: String,
    /// Reset only this service of HOST
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// Say why repairs can help again; the ledger records this text
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Name of the person who resets the breaker. The process that runs as root
    /// passes it to the process that runs as Nagios' user.
    #[arg(long, hide = true, value_name = "NAME")]
    pub by: Option<String>,
}
