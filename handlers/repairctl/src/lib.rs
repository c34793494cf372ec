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
mod sweep;
mod table;
mod trust;
mod when;

use std::ffi::OsString;

use plugin_kit::{Found, Out, Problem};

use cli::Command;
use site::Site;

/// Reads the command line and does what it asks for.
pub fn run(argv: &[OsString], out: &mut Out) -> Result<Found, Problem> {
    let words = cli::read(argv)?;
    let site = Site::new(words.policy);
    match words.command {
        Command::Init(words) => init::run(&words, &site, out),
        Command::Trust(words) => trust::run(&words, &site, out),
        Command::Doctor(words) => doctor::run(&words, &site, out),
        Command::Lint(words) => lint::run(&words, &site, out),
        Command::Explain(words) => explain::run(&words, &site, out),
        Command::History(words) => history::run(&words, &site, out),
        Command::Show(words) => show::run(&words, &site, out),
        Command::Report(words) => report::run(&words, &site, out),
        Command::Replay(words) => replay::run(&words, &site, out),
        Command::Pause(words) => pause::pause(&words, &site, out),
        Command::Resume(words) => pause::resume(&words, &site, out),
        Command::Status(words) => pause::status(&words, &site, out),
        Command::Sweep(words) => sweep::run(&words, &site, out),
    }
}
