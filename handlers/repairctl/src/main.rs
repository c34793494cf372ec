//! The `repairctl` program; see `repairctl::run`.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::cli_tool("repairctl", repairctl::run)
}
