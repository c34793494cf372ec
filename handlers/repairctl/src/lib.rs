//! `repairctl`: the admin's side. One module per command; [`cli`] alone knows clap.

mod board;
pub mod cli;
mod configuration;
mod doctor;
mod explain;
mod history;
mod init;
mod json;
mod lint;
mod nagios;
mod object;
mod pause;
mod question;
mod replay;
mod report;
mod show;
mod side;
mod site;
mod split;
mod sweep;
mod table;
mod trust;
mod when;

use std::ffi::OsString;

use plugin_kit::{Found, Out, Problem};

use cli::Command;
use site::Site;
use split::run_as_nagios;

/// Reads the command line and does what it asks for.
pub fn run(argv: &[OsString], out: &mut Out) -> Result<Found, Problem> {
    let (role, argv) = privsep::step_down(argv)?;
    let words = cli::read(argv)?;
    let site = Site::new(words.policy, words.command.nagios_cfg().cloned(), role);
    match words.command {
        Command::Init(words) => split::run(&words, &site, argv, out),
        Command::Trust(words) => split::run(&words, &site, argv, out),
        Command::Doctor(words) => split::run(&words, &site, argv, out),
        Command::Lint(words) => {
            run_as_nagios(&site, argv, out, |out| lint::run(&words, &site, out))
        }
        Command::Explain(words) => split::run(&words, &site, argv, out),
        Command::History(words) => split::run(&words, &site, argv, out),
        Command::Show(words) => split::run(&words, &site, argv, out),
        Command::Report(words) => split::run(&words, &site, argv, out),
        Command::Replay(words) => {
            run_as_nagios(&site, argv, out, |out| replay::run(&words, &site, out))
        }
        Command::Pause(words) => split::run(&words, &site, argv, out),
        Command::Resume(words) => split::run(&words, &site, argv, out),
        Command::Status(words) => split::run(&words, &site, argv, out),
        Command::Sweep(words) => {
            run_as_nagios(&site, argv, out, |out| sweep::run(&words, &site, out))
        }
    }
}
