//! `repair_gate` runs one of the repairs that its own root-owned file names, and refuses everything
//! else.
//!
//! It is the forced command (sshd(8), `command=`) of the Nagios server's key. The request comes
//! from SSH_ORIGINAL_COMMAND alone; the configuration comes from a file and from the arguments in
//! authorized_keys, never from the environment, of which a client may send parts (SendEnv).
//!
//! Pure modules: [`request`] (the words of a request), [`config`] (repairs.json), `rate_limit`
//! (cooldown, budget and records), `durations`, `timestamps`, `record`, `rejection`, `answer` and
//! `sudoers`. Modules that touch the machine: `ownership` (who can change a file), `store` (records
//! and lock), `run`, `threads`, `output`, `stream`, `timeout`, `syslog`, `host`, `sudo`, `session`,
//! `config_file` and `maintenance`. `dispatch` calls `job`, `diagnose`, `readiness` and `usage`,
//! one for each request.

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

/// Runs the whole program: the answer in one write to stdout, an exit code in 0..3 no matter what
/// happens. A panic ends through the hook, so that this holds with `panic = "abort"` as well; it
/// prints nothing on stdout, for no answer means "unknown" to the server.
pub fn guarded() -> ExitCode {
    std::panic::set_hook(Box::new(panicked));
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    dispatch::main(&argv).print()
}

#[allow(
    clippy::exit,
    reason = "a panic must end as 'unknown' (2), and with panic = abort the hook is the last code \
              to run"
)]
fn panicked(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let what = output::clean(info.payload_as_str().unwrap_or("no message"), 300);
    let line = format!("internal error, please report it: {what} ({place})");
    syslog::warn(&line);
    let _ = std::io::stderr().write_all(format!("repair_gate: {line}\n").as_bytes());
    std::process::exit(2);
}
