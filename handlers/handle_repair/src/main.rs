//! The event handler that Nagios runs (see `handle_repair::handler`).

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::guard_handler("handle_repair", handle_repair::handler::run)
}
