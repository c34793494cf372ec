//! `repair_gate` runs one of the repairs that its own root-owned file names, and refuses everything
//! else.
//!
//! It is the forced command (sshd(8), `command=`) of the key that the Nagios server holds. The
//! request is taken from SSH_ORIGINAL_COMMAND alone; the configuration from a file and from its own
//! arguments, which stand in authorized_keys, and never from the environment, of which a client may
//! send parts (SendEnv).
//!
//! The pure parts: [`request`] (words), [`config`] (repairs.json), `pace` (may it run now?),
//! `limit`, `record`, `excerpt`, `sudoers`. The parts that touch the machine: `trust` (whose file
//! is it), `store` (records and lock), `run`, `live`, `within`, `syslog`, `host`, `file` and
//! `hold`. `gate` tells the story, with `diagnose`, `ready` and `usage`, which change nothing; they
//! stand on the same `ground`.

use std::ffi::OsString;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

mod answer;
mod args;
pub mod config;
mod diagnose;
mod duplicate;
mod excerpt;
mod file;
mod gate;
mod ground;
mod hold;
mod host;
mod limit;
mod live;
mod pace;
mod ready;
mod record;
mod refusal;
pub mod request;
mod run;
mod store;
mod sudoers;
mod syslog;
mod trust;
mod usage;
mod within;

pub use args::HELP;

/// What is printed, and where, and the exit code: 0..3, and nothing outside it, but for `within`,
/// which hands one on.
pub(crate) struct Said {
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
    let said = gate::main(&argv);
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
    let what = excerpt::clean(info.payload_as_str().unwrap_or("no message"), 300);
    let line = format!("internal error, please report it: {what} ({place})");
    syslog::warn(&line);
    let _ = std::io::stderr().write_all(format!("repair_gate: {line}\n").as_bytes());
    std::process::exit(2);
}
