//! Compares check_http with monitoring-plugins' check_http (the original). The tests are in
//! `tests/against_the_original.rs` and `tests/names.rs`.

use std::path::{Path, PathBuf};

/// Path at which Debian's package monitoring-plugins-basic installs the original.
pub const ORIGINAL: &str = "/usr/lib/nagios/plugins/check_http";

/// Returns the path of our check_http. If the environment variable `CHECK_HTTP` is set, this is its
/// value. Otherwise it is the release build from `make build`, in the directory that the
/// environment variable `SELFHEAL_PROGRAMS` names or in `target/release`.
pub fn ours() -> PathBuf {
    let built = || {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release");
        std::env::var_os("SELFHEAL_PROGRAMS").map_or(here, PathBuf::from).join("check_http")
    };
    let program = std::env::var_os("CHECK_HTTP").map_or_else(built, PathBuf::from);
    assert!(program.is_file(), "{} is missing; run `make build`", program.display());
    program
}
