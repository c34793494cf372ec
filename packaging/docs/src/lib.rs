//! Generates the manual pages, completions and bills of materials for the packages, from the
//! definitions in the programs.

pub mod completions;
mod families;
mod markdown;
pub mod pages;
mod programs;
pub mod sbom;

use std::fs;
use std::io;
use std::path::Path;

pub use programs::programs;

/// Writes man/, completions/{bash,zsh,fish}/ and sbom/ below `directory`. First removes any
/// directories with these names.
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
