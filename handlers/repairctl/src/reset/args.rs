//! The arguments of `repairctl reset`.

use clap::Args;

use crate::object::name_parser;

/// The arguments of `reset`.
#[derive(Debug, Args)]
#[command(
    after_help = "Repairs before the reset no longer count for the breaker and for the budget of
the incident. The cooldown and the budget of the window still hold, because they
prevent a loop of repairs. The next event or sweep can then start a repair.

Exit codes: 1 if nothing was reset because nothing is on record for HOST or
SERVICE.

Example:
  The cause is fixed, and repairs can help again:
    repairctl reset web1 HTTP --reason 'disk replaced, ticket 4711'"
)]
pub struct ResetArgs {
    /// Host to reset, with all its services unless SERVICE is given
    #[arg(value_parser = name_parser())]
    pub host: String,
    /// Reset only this service of HOST
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// Why repairs can help again; recorded with the reset
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Name of the person who resets, passed on by root's process.
    #[arg(long, hide = true, value_name = "NAME")]
    pub by: Option<String>,
}
