//! check_http: one HTTP(S) conversation, one line for Nagios. A drop-in for monitoring-plugins'
//! check_http 2.3.3.
//!
//! The story is [`run`]: read what is typed, check what it wishes, look at the server, judge, say.
//! `cli` alone knows clap; `resolve`, `wire`, `tls` and `client` alone know the net; `judge` and
//! what it calls are pure.

mod age;
mod argv;
mod authorities;
mod cert;
mod cli;
mod client;
mod clock;
mod cookie;
mod date;
mod extra_opts;
mod fault;
mod inflate;
mod json;
mod judge;
mod legacy;
mod look;
mod pem;
mod place;
mod posix;
mod redirect;
mod request;
mod resolve;
mod response;
mod search;
mod text;
mod tls;
mod tunnel;
mod typed;
mod wire;
mod wish;

use std::ffi::OsString;

use plugin_kit::{Outcome, Problem};

use clock::Clock;
use look::How;
use wish::Wish;

pub use cli::command;

/// The check on rustls. A peer that rustls refuses is handed to check_http_openssl.
#[cfg(feature = "rustls")]
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let begin = std::time::Instant::now();
    let typed = cli::read(argv, begin)?;
    let words = typed.words.clone();
    let wish = Wish::new(typed, begin)?;
    let clock = Clock::start(begin, std::time::Duration::ZERO, wish.timeout);
    let hand_over = |spent| legacy::hand_over(&words, spent);
    let how = How { wish: &wish, clock: &clock, handshake: tls::rustls::handshake };
    Ok(look::look(how, &hand_over))
}

/// The check on OpenSSL, which takes what rustls refuses.
#[cfg(feature = "openssl-tls")]
pub fn run_openssl(argv: &[OsString]) -> Result<Outcome, Problem> {
    let spent = legacy::spent();
    let begin = clock::ago(spent);
    let wish = Wish::new(cli::read(argv, begin)?, begin)?;
    let clock = Clock::start(begin, spent, wish.timeout);
    let how = How { wish: &wish, clock: &clock, handshake: tls::openssl::handshake };
    Ok(look::look(how, &|_| String::new()))
}
