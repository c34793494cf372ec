//! The arguments of `repairctl reset`.

use clap::Args;

use crate::object::name_parser;

/// The arguments of `reset`.
#[derive(Debug, Args)]
#[command(
    after_help = "The repairs before it no longer count for the breaker and the budget of the
incident. The cooldown and the budget of the window stay: they keep a repair
from running in a loop. The next event, or the next sweep, may then repair.

Exit codes: 1 when nothing is on record for HOST or SERVICE, so that nothing
was reset.

Example:
  The cause is fixed, and repairs may help again:
    repairctl reset web1 HTTP --reason 'disk replaced, ticket 4711'"
)]
pub struct ResetArgs {
    /// The host; without SERVICE all its services as well
    #[arg(value_parser = name_parser())]
    pub host: String,
    /// Only this service of it
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// Why repairs may help again; it is kept with the reset
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Name of the person, passed on by root's half.
    #[arg(long, hide = true, value_name = "NAME")]
    pub by: Option<String>,
}
