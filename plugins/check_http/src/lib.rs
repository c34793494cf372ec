//! check_http: one HTTP(S) conversation, one line for Nagios. A drop-in for monitoring-plugins'
//! check_http 2.3.3.

mod checks;
mod cli;
mod date;
mod deadline;
mod fault;
mod http;
mod net;
mod pattern;
mod run;
mod spec;
mod text;

use std::ffi::OsString;

use plugin_kit::{Outcome, Problem};

use deadline::Clock;
use net::tls;
use run::check::How;
use run::exec;

pub use cli::command_line::command;

/// The check on rustls. A peer that rustls refuses is handed to check_http_openssl.
#[cfg(feature = "rustls")]
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let begin = std::time::Instant::now();
    let typed = cli::command_line::read(argv, begin)?;
    let words = typed.words.clone();
    let wish = cli::convert::spec(typed, begin)?;
    let clock = Clock::start(begin, std::time::Duration::ZERO, wish.timeout);
    let hand_over = |spent| exec::hand_over(&words, spent);
    let how = How { wish: &wish, clock: &clock, handshake: tls::rustls::handshake };
    Ok(run::check::look(how, &hand_over))
}

/// The check on OpenSSL, which takes what rustls refuses.
#[cfg(feature = "openssl-tls")]
pub fn run_openssl(argv: &[OsString]) -> Result<Outcome, Problem> {
    let spent = exec::spent();
    let begin = deadline::ago(spent);
    let wish = cli::convert::spec(cli::command_line::read(argv, begin)?, begin)?;
    let clock = Clock::start(begin, spent, wish.timeout);
    let how = How { wish: &wish, clock: &clock, handshake: tls::openssl::handshake };
    Ok(run::check::look(how, &|_| String::new()))
}
