//! Compares check_http with monitoring-plugins' check_http (the original). The tests are in
//! `tests/against_the_original.rs` and `tests/names.rs`.

use std::path::{Path, PathBuf};

/// Path at which Debian's package monitoring-plugins-basic installs the original.
pub const ORIGINAL: &str = "/usr/lib/nagios/plugins/check_http";

/// Returns the path of our check_http. This is the value of the environment variable `CHECK_HTTP`,
/// if it is set. Otherwise it is the path of the release build from `make build`. The environment
/// variable `SELFHEAL_PROGRAMS` names the directory of that build; the default is `target/release`.
pub fn ours() -> PathBuf {
    let built = || {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release");
        std::env::var_os("SELFHEAL_PROGRAMS").map_or(here, PathBuf::from).join("check_http")
    };
    let program = std::env::var_os("CHECK_HTTP").map_or_else(built, PathBuf::from);
    assert!(program.is_file(), "{} is missing; run `make build`", program.display());
    program
}
