//! Completions for the shells that people have.

use std::fs;
use std::io;
use std::path::Path;

use clap_complete::{Shell, generate_to};

use crate::programs::programs;

/// Writes them, each shell's in a directory of its name.
pub fn write(directory: &Path) -> io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let place = directory.join(shell.to_string());
        fs::create_dir_all(&place)?;
        for mut program in programs() {
            let name = program.get_name().to_owned();
            let made = generate_to(shell, &mut program, &name, &place)?;
            if shell == Shell::Bash {
                // bash-completion looks for a file of the program's very name.
                fs::rename(made, place.join(name))?;
            }
        }
    }
    Ok(())
}
