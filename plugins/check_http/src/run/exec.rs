//! Becoming check_http_openssl.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Tells the other program how much of the run's time is gone, in microseconds.
const SPENT: &str = "CHECK_HTTP_SPENT_US";
const PROGRAM: &str = "check_http_openssl";
/// Where packages put it, unless they say otherwise when they build.
const LIBEXEC: &str = match option_env!("SELFHEAL_LIBEXECDIR") {
    Some(directory) => directory,
    None => "/usr/libexec/nagios-selfheal",
};

/// Becomes check_http_openssl with the same arguments. Comes back, with the reason, only if there
/// is none.
pub fn hand_over(argv: &[OsString], elapsed: Duration) -> String {
    let Some(program) = candidates().into_iter().find(|path| path.is_file()) else {
        return format!("{PROGRAM}, which could try older TLS, is not installed");
    };
    let micros = elapsed.as_micros().to_string();
    let why = Command::new(&program).args(argv).env(SPENT, micros).exec();
    format!("{}, which could try older TLS, does not start: {why}", program.display())
}

fn candidates() -> Vec<PathBuf> {
    let ours = std::env::current_exe().ok();
    let beside = ours.as_deref().and_then(|path| path.parent());
    let mut found: Vec<PathBuf> = beside
        .iter()
        .flat_map(|here| {
            [here.join(PROGRAM), here.join("../libexec/nagios-selfheal").join(PROGRAM)]
        })
        .collect();
    found.push(PathBuf::from(LIBEXEC).join(PROGRAM));
    found
}

/// What has been spent of the run's time by the program that handed over to us.
#[cfg(feature = "openssl-tls")]
pub fn spent() -> std::time::Duration {
    let micros = std::env::var(SPENT).ok().and_then(|text| text.parse().ok());
    std::time::Duration::from_micros(micros.unwrap_or(0))
}
