//! Replaces check_http with check_http_openssl if rustls refuses a peer. check_http_openssl then
//! repeats the check with OpenSSL.

use std::time::Duration;
#[cfg(feature = "rustls")]
use std::{ffi::OsString, os::unix::process::CommandExt, path::PathBuf, process::Command};

/// Environment variable through which check_http passes the time already spent, in microseconds, to
/// check_http_openssl.
const SPENT: &str = "CHECK_HTTP_SPENT_US";
#[cfg(feature = "rustls")]
const PROGRAM: &str = "check_http_openssl";
/// Directory in which packages install check_http_openssl. It can be changed at build time.
#[cfg(feature = "rustls")]
const LIBEXEC: &str = match option_env!("SELFHEAL_LIBEXECDIR") {
    Some(directory) => directory,
    None => "/usr/libexec/nagios-selfheal",
};

/// Executes check_http_openssl with the arguments `argv`. Returns only if that fails, and then
/// returns the reason.
#[cfg(feature = "rustls")]
pub fn exec_openssl(argv: &[OsString], spent: Duration) -> String {
    let Some(program) = candidates().into_iter().find(|path| path.is_file()) else {
        return format!("{PROGRAM}, which supports older TLS versions, is not installed");
    };
    let micros = spent.as_micros().to_string();
    let why = Command::new(&program).args(argv).env(SPENT, micros).exec();
    format!("cannot start {}, which supports older TLS versions: {why}", program.display())
}

#[cfg(feature = "rustls")]
fn candidates() -> Vec<PathBuf> {
    let here = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    let beside =
        here.iter().flat_map(|here| [here.clone(), here.join("../libexec/nagios-selfheal")]);
    beside.chain([LIBEXEC.into()]).map(|folder| folder.join(PROGRAM)).collect()
}

/// Returns how long check_http had worked on the check before it executed this program.
#[cfg(feature = "openssl-tls")]
pub fn spent() -> Duration {
    let micros = std::env::var(SPENT).ok().and_then(|text| text.parse().ok());
    Duration::from_micros(micros.unwrap_or(0))
}
