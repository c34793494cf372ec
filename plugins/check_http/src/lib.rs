//! check_http checks an HTTP or HTTPS server and prints one line for Nagios. It is a drop-in
//! replacement for monitoring-plugins' check_http 2.3.3.
//!
//! [`run()`] parses the command line, runs the check and returns its result. Only `cli` knows the
//! options, and `spec` holds their values as validated types. Only `net` opens sockets, and `http`
//! works on any stream. `checks` and `pattern` do no I/O. `run` combines these modules. A module
//! imports only modules that come before it in the order `pattern`, `http`, `net`, `spec`,
//! `checks`, `run`. `cli` builds the spec.

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

use cli::{command_line, convert, options};
use deadline::Deadline;
use net::tls;
use run::connect::CheckContext;
use run::exec;

pub use cli::families::{FAMILIES, PluginFamily};
pub use options::command;

/// Runs the check with rustls. If rustls refuses the peer, executes check_http_openssl.
#[cfg(feature = "rustls")]
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let run_start = std::time::Instant::now();
    let spec = convert::spec(command_line::parse(argv, run_start)?, run_start)?;
    let deadline = Deadline::start(run_start, std::time::Duration::ZERO, spec.timeout);
    // Pass --extra-opts itself to check_http_openssl, which then reads the files again. If we
    // passed the options from the files instead, secrets in them would appear in the process list.
    let fallback = |spent| exec::exec_openssl(argv, spent);
    let handshake = tls::rustls::handshake;
    let context = CheckContext { spec: &spec, deadline: &deadline, handshake, pinned: None };
    Ok(run::run(context, &fallback))
}

/// Runs the check with OpenSSL.
#[cfg(feature = "openssl-tls")]
pub fn run_openssl(argv: &[OsString]) -> Result<Outcome, Problem> {
    let spent = exec::spent();
    let run_start = deadline::ago(spent);
    let spec = convert::spec(command_line::parse(argv, run_start)?, run_start)?;
    let deadline = Deadline::start(run_start, spent, spec.timeout);
    let handshake = tls::openssl::handshake;
    let context = CheckContext { spec: &spec, deadline: &deadline, handshake, pinned: None };
    Ok(run::run(context, &|_| String::new()))
}
