//! Runs a check from the first connection to the result.

mod all_addresses;
pub mod check;
pub mod connect;
pub mod exec;

use plugin_kit::Outcome;

use check::{CheckRun, OpensslFallback};
use connect::CheckContext;

/// Runs the check. With --all-addresses, checks every address of the name.
pub fn run(context: CheckContext<'_>, fallback: &OpensslFallback<'_>) -> Outcome {
    if context.spec.all_addresses
        && let Some(outcome) = all_addresses::run(context, fallback)
    {
        return outcome;
    }
    CheckRun::new(context).run().outcome(fallback)
}
