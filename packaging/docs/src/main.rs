//! The `docs` program. `make docs` runs `docs DIRECTORY` in the root of the repository; see
//! `docs::write`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1) else {
        return failed("usage: docs DIRECTORY");
    };
    match docs::write(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => failed(&format!("docs: {}: {why}", directory.display())),
    }
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::FAILURE
}
