//! `check_repairs` is a plugin that reports the state of repairs to Nagios: open breakers, failed
//! repairs, budgets that are nearly used up, unknown outcomes and pauses. With `--gate`, it reports
//! whether a host's gate answers and would run a repair now.
//!
//! Only [`cli`] uses clap, only `collect` uses the ledger and only `gate` uses the network.
//! `evaluate` does no I/O.

pub mod cli;
mod collect;
mod evaluate;
mod gate;
mod timeout;

use std::ffi::OsString;
use std::time::{Instant, SystemTime};

use plugin_kit::{Outcome, Problem, State};
use policy_file::Config;

use cli::{CheckMode, CheckOptions, LedgerCheck};
use collect::CollectError;
pub use evaluate::NAME;

/// Runs the plugin with these arguments, and returns its output and state.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let options = cli::read(argv)?;
    // Return UNKNOWN, because an unreadable policy does not mean that repairs fail. The option
    // --policy may name the wrong file, or a file that this user cannot read.
    let config = match policy_file::read(&options.policy) {
        Ok(config) => config,
        Err(bad) => return Ok(Outcome::new(State::Unknown, format!("{NAME} UNKNOWN: {bad}"))),
    };
    privsep::refuse_root(config.directories(), argv)?;
    let deadline = Instant::now() + options.timeout;
    Ok(match &options.mode {
        CheckMode::Gates(check) => {
            let replies = gate::query_all(&check.gates, &config, deadline);
            evaluate::gates(&replies, check, &options)
        }
        CheckMode::Ledger(check) => check_ledger(check, &options, config),
    })
}

/// Evaluates the ledger. Gives up after the timeout, because even reading a local file can block,
/// for example on a dead disk or a lock that is never released, and a database server can be slow.
fn check_ledger(check: &LedgerCheck, options: &CheckOptions, config: Config) -> Outcome {
    let (ledger, policy, window) = (config.ledger.clone(), config.policy.clone(), check.window);
    let work = move || collect::collect(&config, window, SystemTime::now());
    let fault = |text: String| Outcome::new(State::Critical, format!("{NAME} CRITICAL: {text}"));
    match timeout::run(options.timeout, work) {
        Some(Ok(summary)) => evaluate::ledger(&summary, &policy, check, options),
        Some(Err(CollectError::Unusable(why))) => fault(format!("nothing is repaired: {why}")),
        Some(Err(CollectError::OutOfResources(why))) => {
            Outcome::new(State::Unknown, format!("{NAME} UNKNOWN: {why}"))
        }
        None => fault(format!(
            "check_repairs could not read the ledger {ledger} within {} s",
            options.timeout.as_secs()
        )),
    }
}
