//! `repair_gate` runs one of the repairs that its own root-owned file names, and refuses everything
//! else.
//!
//! It is the forced command (sshd(8), `command=`) of the key that the Nagios server holds. The
//! request is taken from SSH_ORIGINAL_COMMAND alone; the configuration from a file and from its own
//! arguments, which stand in authorized_keys, and never from the environment, of which a client may
//! send parts (SendEnv).
//!
//! Pure modules: [`request`] (the words of a request), [`config`] (repairs.json), `rate_limit`
//! (cooldown, budget and records), `durations`, `record`, `output` and `sudoers`. Modules that touch
//! the machine: `ownership` (who can change a file), `store` (records and lock), `run`, `stream`,
//! `timeout`, `syslog`, `host`, `config_file` and `maintenance`. `dispatch` ties them together with
//! `diagnose`, `readiness` and `usage`, which change nothing.

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
mod maintenance;
mod output;
mod ownership;
mod rate_limit;
mod readiness;
mod record;
mod rejection;
pub mod request;
mod run;
mod store;
mod stream;
mod sudoers;
mod syslog;
mod threads;
mod timeout;
mod timestamps;
mod usage;

pub use args::HELP;

/// What is printed, and where, and the exit code: 0..3, and nothing outside it, but for `within`,
/// which hands one on.
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: u8,
    /// Whether half of stdout is worse than none: a sudoers file on a full disk.
    pub(crate) must_arrive: bool,
}

/// The whole program: the answer in one write to stdout, an exit code in 0..3, whatever happens. A
/// panic ends through the hook, so that it holds with `panic = "abort"` as well; it says nothing on
/// stdout, for no answer means "unknown" to the server.
pub fn guarded() -> ExitCode {
    std::panic::set_hook(Box::new(panicked));
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    let said = dispatch::main(&argv);
    // Whoever asked may have gone; what was done is on record, and the code still tells.
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(said.stdout.as_bytes()).and_then(|()| stdout.flush());
    let (stderr, code) = match written {
        Err(why) if said.must_arrive => (format!("repair_gate: standard output: {why}\n"), 3),
        _ => (said.stderr, said.code),
    };
    let _ = std::io::stderr().write_all(stderr.as_bytes());
    ExitCode::from(code)
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
