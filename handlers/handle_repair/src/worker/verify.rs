//! Runs the check that verifies a repair. The check is a Nagios plugin, so its exit code is a
//! state.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin_kit::State;
use policy::{Rung, spell};
use policy_file::Config;

use super::program::{self, ProgramEnd};
use crate::handler::listed;

/// What a verify command reported.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// The exit code as a state. UNKNOWN if the command could not be run, was stopped at its time
    /// limit, was ended by a signal, or exited with a code that is not a state.
    pub state: State,
    /// First line of the output, or why the result is UNKNOWN.
    pub text: String,
}

/// Why the program of a verify command was not found.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum NotFound {
    /// The command is empty.
    #[error("the verify command is empty")]
    Empty,
    /// The program is given as a path, and no file exists at this path.
    #[error("the verify command {0} does not exist")]
    NoFile(String),
    /// The program is given as a name, and no plugin directory contains it.
    #[error("the verify command '{program}' is in none of these directories: {}", listed(.places))]
    Nowhere {
        program: String,
        /// The plugin directories, in search order.
        places: Vec<PathBuf>,
    },
    /// A path cannot be examined, so the program may exist there.
    #[error("{place}: {why}")]
    Unreadable {
        /// The path that cannot be examined.
        place: PathBuf,
        why: io::Error,
    },
}

/// Returns the time limit for a rung's verify command. The limit is the rung's timeout, but at
/// least 15 seconds, because plugins have their own timeout of ten seconds.
pub fn limit(rung: &Rung) -> Duration {
    rung.timeout.max(Duration::from_secs(15))
}

/// Returns the directories to search for verify commands, starting with this program's own.
pub fn places(config: &Config) -> Vec<PathBuf> {
    let us = std::env::current_exe().ok();
    config.plugin_places(us.as_deref().and_then(Path::parent))
}

/// Runs a verify command. An exit code that is not a Nagios state counts as UNKNOWN, because it
/// shows neither a recovery nor a fault.
pub fn verify(argv: &[OsString], plugin_path: &[PathBuf], limit: Duration) -> CheckResult {
    let unknown = |text| CheckResult { state: State::Unknown, text };
    let (program, arguments) = match find(argv, plugin_path) {
        Ok(found) => found,
        Err(why) => return unknown(why.to_string()),
    };
    match program::run(&program, arguments, limit) {
        Err(why) => unknown(format!("cannot run {}: {why}", program.display())),
        Ok(ProgramEnd { status: None, .. }) => {
            unknown(format!("{} did not end within {} s", program.display(), limit.as_secs()))
        }
        Ok(ProgramEnd { status: Some(status), line }) => {
            match status.code().and_then(State::from_code) {
                Some(state) => CheckResult { state, text: line },
                None => unknown(format!(
                    "{} ended with {}: {line}",
                    program.display(),
                    program::how(status)
                )),
            }
        }
    }
}

/// Returns the path of a command's program, and its arguments. Searches for a name without a slash
/// only in the plugin directories, never in `PATH`.
pub fn find<'a, W: AsRef<OsStr>>(
    argv: &'a [W],
    plugin_path: &[PathBuf],
) -> Result<(PathBuf, &'a [W]), NotFound> {
    let (program, arguments) = argv.split_first().ok_or(NotFound::Empty)?;
    let program = program.as_ref();
    if program.as_bytes().contains(&b'/') {
        return match is_file(Path::new(program))? {
            true => Ok((program.into(), arguments)),
            false => Err(NotFound::NoFile(spell(program.as_bytes()))),
        };
    }
    for place in plugin_path.iter().map(|directory| directory.join(program)) {
        if is_file(&place)? {
            return Ok((place, arguments));
        }
    }
    let program = spell(program.as_bytes());
    Err(NotFound::Nowhere { program, places: plugin_path.to_vec() })
}

/// Whether `place` is a regular file. If this cannot be checked, fails instead of returning false,
/// because the program may exist at this path.
fn is_file(place: &Path) -> Result<bool, NotFound> {
    match fs::metadata(place) {
        Ok(found) => Ok(found.is_file()),
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(why) => Err(NotFound::Unreadable { place: place.to_owned(), why }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn check(script: &str, limit: Duration) -> CheckResult {
        verify(&["/bin/sh".into(), "-c".into(), script.into()], &[], limit)
    }

    #[test]
    fn returns_exit_code_as_state_and_first_line_as_text() {
        let long = Duration::from_secs(60);
        let warning = check("echo 'HTTP WARNING: slow |time=1s'; echo more; exit 1", long);
        assert_eq!((warning.state, warning.text.as_str()), (State::Warning, "HTTP WARNING: slow"));
        let silent = check("echo; exit 0", long);
        assert_eq!((silent.state, silent.text.as_str()), (State::Ok, "no output"));
        // Other exit codes, signals and programs that cannot be run give UNKNOWN.
        assert_eq!(check("exit 42", long).state, State::Unknown);
        assert_eq!(check("kill -9 $$", long).state, State::Unknown);
        assert_eq!(verify(&["/nonexistent".into()], &[], long).state, State::Unknown);
        assert_eq!(verify(&["sh".into()], &["/nonexistent".into()], long).state, State::Unknown);
    }

    #[test]
    fn reports_error_for_unreadable_path() {
        let name = "x".repeat(300);
        for (argv, places) in
            [(name.clone(), vec!["/usr/bin".into()]), (format!("/usr/bin/{name}"), vec![])]
        {
            assert!(find(&[argv], &places).unwrap_err().to_string().contains("File name too long"));
        }
    }

    #[test]
    fn kills_hanging_command_with_its_children() {
        let begun = Instant::now();
        let stopped = check("sleep 60 & sleep 60", Duration::from_millis(200));
        assert_eq!(stopped.state, State::Unknown);
        assert!(begun.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn does_not_wait_for_child_that_keeps_stdout_open() {
        let begun = Instant::now();
        assert_eq!(check("echo ok; sleep 60 & exit 0", Duration::from_secs(55)).state, State::Ok);
        assert!(begun.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn limits_the_output_that_it_keeps() {
        let flooded =
            check("head -c 5000000 /dev/zero | tr '\\0' x; exit 0", Duration::from_secs(30));
        assert_eq!((flooded.state, flooded.text.len()), (State::Ok, program::LINE));
    }
}
