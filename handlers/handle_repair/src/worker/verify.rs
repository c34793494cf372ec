//! The check that proves a repair: a plugin, whose exit code is a Nagios state.

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

/// The result of a verify command.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// Its exit code as a state. UNKNOWN also when it could not be run or did not end.
    pub state: State,
    /// Its first line.
    pub text: String,
}

/// Why a verify command cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The command has no words.
    #[error("there is no verify command")]
    Empty,
    /// A command with a slash is not there.
    #[error("there is no {0}")]
    NoFile(String),
    /// A command without a slash is in no plugin directory.
    #[error("the verify command '{program}' is in none of {}", listed(.places))]
    Nowhere {
        /// The command.
        program: String,
        /// The plugin directories.
        places: Vec<PathBuf>,
    },
    /// A place that cannot be looked into: the program may be there.
    #[error("{place}: {why}")]
    Unreadable {
        /// The place.
        place: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
}

/// How long a verify command may take: plugins end themselves after ten seconds, and none needs
/// longer than the repair.
pub fn limit(rung: &Rung) -> Duration {
    rung.timeout.max(Duration::from_secs(15))
}

/// Where verify commands are looked for: among our own programs first.
pub fn places(config: &Config) -> Vec<PathBuf> {
    let us = std::env::current_exe().ok();
    config.plugin_places(us.as_deref().and_then(Path::parent))
}

/// Runs a verify command: its exit code is a Nagios state. Any other code proves nothing,
/// neither health nor fault.
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

/// The program of a command and its arguments. A name without a slash is looked for in the plugin
/// directories alone, never in `PATH`.
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

/// Whether there is such a file. A place that cannot be looked into is an error, for the program
/// may be there.
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
    fn the_exit_code_is_the_state_and_the_first_line_the_text() {
        let long = Duration::from_secs(60);
        let warning = check("echo 'HTTP WARNING: slow |time=1s'; echo more; exit 1", long);
        assert_eq!((warning.state, warning.text.as_str()), (State::Warning, "HTTP WARNING: slow"));
        let silent = check("echo; exit 0", long);
        assert_eq!((silent.state, silent.text.as_str()), (State::Ok, "no output"));
        // Codes that are no state, signals, and what cannot be run prove nothing.
        assert_eq!(check("exit 42", long).state, State::Unknown);
        assert_eq!(check("kill -9 $$", long).state, State::Unknown);
        assert_eq!(verify(&["/nonexistent".into()], &[], long).state, State::Unknown);
        assert_eq!(verify(&["sh".into()], &["/nonexistent".into()], long).state, State::Unknown);
    }

    #[test]
    fn reports_why_a_place_cannot_be_looked_into() {
        let name = "x".repeat(300);
        for (argv, places) in
            [(name.clone(), vec!["/usr/bin".into()]), (format!("/usr/bin/{name}"), vec![])]
        {
            assert!(find(&[argv], &places).unwrap_err().to_string().contains("File name too long"));
        }
    }

    #[test]
    fn a_command_that_hangs_is_stopped_with_its_children() {
        let begun = Instant::now();
        let stopped = check("sleep 60 & sleep 60", Duration::from_millis(200));
        assert_eq!(stopped.state, State::Unknown);
        assert!(begun.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn a_child_that_keeps_the_output_open_holds_nothing_up() {
        let begun = Instant::now();
        assert_eq!(check("echo ok; sleep 60 & exit 0", Duration::from_secs(55)).state, State::Ok);
        assert!(begun.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn a_flood_of_output_is_bounded() {
        let flooded =
            check("head -c 5000000 /dev/zero | tr '\\0' x; exit 0", Duration::from_secs(30));
        assert_eq!((flooded.state, flooded.text.len()), (State::Ok, program::KEPT));
    }
}
