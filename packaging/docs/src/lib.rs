//! What packages carry beside the programs, made of the programs' own definitions: manual pages,
//! completions, bills of materials.

pub mod completions;
mod format;
pub mod pages;
pub mod sbom;

use std::fs;
use std::io;
use std::path::Path;

/// Every program with a command line of clap's, by the name it is called by on a system.
pub fn programs() -> Vec<clap::Command> {
    vec![
        handle_repair::cli::command(),
        repairctl::cli::command().disable_help_subcommand(true),
        check_repairs::cli::command(),
        beside_the_original(check_http::command()),
    ]
}

/// Where plugins lie, check_http is the distribution's own; ours has a link of another name there.
fn beside_the_original(command: clap::Command) -> clap::Command {
    const NAME: &str = "selfheal_check_http";
    let usage = command
        .get_overridden_usage()
        .map(|usage| usage.to_string().replace("check_http", NAME))
        .unwrap_or_default();
    command.name(NAME).bin_name(NAME).override_usage(usage)
}

/// Makes everything anew below `directory`: man/, completions/{bash,zsh,fish}/ and sbom/.
pub fn write(directory: &Path) -> io::Result<()> {
    pages::write(&fresh(directory, "man")?)?;
    completions::write(&fresh(directory, "completions")?)?;
    sbom::write(&fresh(directory, "sbom")?)
}

fn fresh(directory: &Path, name: &str) -> io::Result<std::path::PathBuf> {
    let path = directory.join(name);
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&path)?;
    Ok(path)
}
