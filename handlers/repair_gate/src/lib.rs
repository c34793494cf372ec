//! `repair_gate` runs the repairs named in repairs.json, a file that only root can change, and
//! refuses every other request.
//!
//! The program is the forced command (sshd(8), `command=`) for the Nagios server's key. It takes
//! the request from SSH_ORIGINAL_COMMAND, and its configuration from repairs.json and from the
//! arguments in authorized_keys. The environment configures nothing, because a client can set parts
//! of it (SendEnv). If an agent such as NRPE runs the program, the arguments name the repair.
//!
//! Modules without side effects are [`request`] (parses requests), [`config`] (parses
//! repairs.json), `rate_limit` (cooldown, budget and number of records), `run_times` (when repairs
//! ran), `durations`, `timestamps`, `record`, `rejection`, `answer` and `sudoers`. Modules that use
//! the system are `ownership` (who can change a file), `store` (records and lock), `run`,
//! `threads`, `output`, `stream`, `timeout`, `syslog`, `host`, `sudo`, `session`, `config_file` and
//! `maintenance`. `dispatch` calls `job`, `diagnose`, `readiness` or `usage`, depending on the
//! request.

use std::ffi::OsString;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

mod answer;
mod args;
pub mod config;
mod config_file;
mod context;
mod diagnose;
mod dispatch;
mod duplicate;
mod durations;
mod host;
mod job;
mod maintenance;
mod output;
mod ownership;
mod processes;
mod rate_limit;
mod readiness;
mod record;
mod rejection;
pub mod request;
mod run;
mod run_times;
mod session;
mod store;
mod stream;
mod sudo;
mod sudoers;
mod syslog;
mod threads;
mod timeout;
mod timestamps;
mod usage;

pub use args::HELP;

/// Runs the program. Writes the answer to stdout in one write, and exits with a code from 0 to 3.
/// After a panic, the panic hook ends the program, so that the exit code is correct even with
/// `panic = "abort"`. The hook prints nothing to stdout, because the server treats a missing answer
/// as "unknown".
pub fn guarded() -> ExitCode {
    std::panic::set_hook(Box::new(panicked));
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    dispatch::main(&argv).print()
}

#[allow(
    clippy::exit,
    reason = "after a panic, the exit code must be 2 (unknown); with panic = abort, no code runs \
              after this hook"
)]
fn panicked(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let what = output::clean(info.payload_as_str().unwrap_or("no message"), 300);
    let line = format!("internal error, please report it: {what} ({place})");
    syslog::warn(&line);
    let _ = std::io::stderr().write_all(format!("repair_gate: {line}\n").as_bytes());
    std::process::exit(2);
}
