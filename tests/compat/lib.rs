//! Compares check_http with monitoring-plugins' check_http (the original): see
//! `tests/against_the_original.rs`.

use std::path::{Path, PathBuf};

/// The original, of Debian's monitoring-plugins-basic.
pub const ORIGINAL: &str = "/usr/lib/nagios/plugins/check_http";

/// Our program: the one that `CHECK_HTTP` names, else the release of `make build` in
/// SELFHEAL_PROGRAMS or here.
pub fn ours() -> PathBuf {
    let built = || {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release");
        std::env::var_os("SELFHEAL_PROGRAMS").map_or(here, PathBuf::from).join("check_http")
    };
    let program = std::env::var_os("CHECK_HTTP").map_or_else(built, PathBuf::from);
    assert!(program.is_file(), "{}: `make build` makes it", program.display());
    program
}
