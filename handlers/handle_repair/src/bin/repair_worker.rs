//! The part that acts, started by `handle_repair`: see `handle_repair::worker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::guard_handler("handle_repair", handle_repair::worker::run)
}
