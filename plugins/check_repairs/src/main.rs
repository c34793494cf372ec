//! The plugin `check_repairs` (see `check_repairs::run`).

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::guard(check_repairs::NAME, check_repairs::run)
}
