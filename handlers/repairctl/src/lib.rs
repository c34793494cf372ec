//! `repairctl`, the command line tool for admins. The code of each command is in its own folder.

pub mod cli;
mod context;
mod doctor;
mod explain;
mod gate_setup;
mod history;
mod init;
mod ledger;
mod lint;
mod object;
mod paste;
mod pause;
mod replay;
mod report;
mod reset;
mod show;
mod split;
mod sudo;
mod sweep;
mod trust;
mod ui;

use std::ffi::OsString;

use plugin_kit::Out;

pub use ui::json::FORM as JSON_FORM;

use cli::RepairctlCommand;
use context::Context;
use split::{CommandResult, run_as_nagios};

/// Parses the command line and runs the command that it names.
pub fn run(argv: &[OsString], out: &mut Out) -> CommandResult {
    let (role, argv) = privsep::step_down(argv)?;
    let words = cli::read(argv)?;
    let context = Context::new(words.policy, words.command.nagios_cfg().cloned(), role);
    match words.command {
        RepairctlCommand::Init(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Trust(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Doctor(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Lint(words) => run_as_nagios(lint::run, &words, &context, argv, out),
        RepairctlCommand::Explain(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::History(words) => history::run(&words, &context, argv, out),
        RepairctlCommand::Show(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Report(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Replay(words) => run_as_nagios(replay::run, &words, &context, argv, out),
        RepairctlCommand::Pause(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Resume(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Reset(args) => split::run(&args, &context, argv, out),
        RepairctlCommand::Status(words) => split::run(&words, &context, argv, out),
        RepairctlCommand::Ledger(args) => ledger::run(&args, &context, argv, out),
        RepairctlCommand::Sweep(words) => run_as_nagios(sweep::run, &words, &context, argv, out),
    }
}
