//! The `check_repairs` plugin. Its code is in `check_repairs::run`.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::guard(check_repairs::NAME, check_repairs::run)
}
