//! `check_repairs`: tells Nagios how the repairs themselves are. Open breakers, repairs that do not
//! help, budgets near their end, jobs of which nobody knows how they ended, pauses; or, with
//! `--gate`, whether a host's gate answers and could repair now.
//!
//! Only [`cli`] knows clap, only `look` the ledger, only `gate` the network; `judge` is pure.

pub mod cli;
mod gate;
mod judge;
mod look;
mod within;

use std::ffi::OsString;
use std::time::{Instant, SystemTime};

use plugin_kit::{Outcome, Problem, State};

use cli::{What, Wish};
use look::Unseen;

/// What the plugin's lines begin with.
pub const NAME: &str = "REPAIRS";

/// Reads the command line, looks, and judges.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let wish = cli::read(argv)?;
    // A policy that cannot be read says nothing about repairs: it may be the wrong file, or not for
    // this user.
    let config = match policy_file::read(&wish.policy) {
        Ok(config) => config,
        Err(bad) => return Ok(Outcome::new(State::Unknown, format!("{NAME} UNKNOWN: {bad}"))),
    };
    privsep::refuse_root(config.directories(), argv)?;
    let deadline = Instant::now() + wish.timeout;
    if let What::Gates { gates, .. } = &wish.what {
        let heard = gate::ask_all(gates, &config, deadline);
        return Ok(judge::gates(&heard, &wish));
    }
    Ok(look_and_judge(wish, config))
}

/// The ledger is a file of this machine, but even that may not answer: a dead disk, a lock that
/// nobody gives back.
fn look_and_judge(wish: Wish, config: policy_file::Config) -> Outcome {
    let What::Ledger { window, .. } = wish.what else { return Outcome::new(State::Unknown, NAME) };
    let limit = wish.timeout;
    let path = config.ledger.clone();
    let policy = config.policy.clone();
    match within::within(limit, move || look::look(&config, window, SystemTime::now())) {
        Some(Ok(seen)) => judge::ledger(&seen, &policy, &wish),
        Some(Err(Unseen::Unusable(why))) => {
            Outcome::new(State::Critical, format!("{NAME} CRITICAL: nothing is repaired: {why}"))
        }
        Some(Err(Unseen::Starved(why))) => {
            Outcome::new(State::Unknown, format!("{NAME} UNKNOWN: {why}"))
        }
        None => {
            let text = format!(
                "the ledger {} did not answer within {} s",
                path.display(),
                limit.as_secs()
            );
            Outcome::new(State::Critical, format!("{NAME} CRITICAL: {text}"))
        }
    }
}
