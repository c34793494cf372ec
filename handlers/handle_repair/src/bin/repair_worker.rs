//! The worker, which `handle_repair` starts to answer queued handler calls (see
//! `handle_repair::worker`). For a `local` rung, the worker starts this program again as the rung's
//! supervisor.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use handle_repair::handler;
use handle_repair::worker::{self, supervisor, waiting};

fn main() -> ExitCode {
    let argv: Vec<OsString> = env::args_os().skip(1).collect();
    match argv.split_first() {
        Some((first, rest)) if first == supervisor::SUPERVISE => supervisor::main(rest),
        Some((first, rest)) if first == handler::ANSWER => {
            plugin_kit::guard_handler("handle_repair", |_| waiting::run(rest))
        }
        _ => plugin_kit::guard_handler("handle_repair", worker::run),
    }
}
