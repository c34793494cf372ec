//! Completions for bash, zsh and fish.

use std::fs;
use std::io;
use std::path::Path;

use clap_complete::{Shell, generate_to};

use crate::programs::programs;

/// Writes the completions for all programs into one directory per shell, for example
/// `directory/bash`.
pub fn write(directory: &Path) -> io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let place = directory.join(shell.to_string());
        fs::create_dir_all(&place)?;
        for mut program in programs() {
            let name = program.get_name().to_owned();
            let made = generate_to(shell, &mut program, &name, &place)?;
            if shell == Shell::Bash {
                // bash-completion expects the file name to be the program's name, without an
                // extension.
                fs::rename(made, place.join(name))?;
            }
        }
    }
    Ok(())
}
