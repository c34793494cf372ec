//! The gate's own arguments, which the administrator wrote into authorized_keys. Nothing of the
//! request is among them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::is_account;
use crate::durations::TimeLimit;
use crate::rejection::{Rejection, RejectionReason};

/// What the gate is started for, and with which files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GateArgs {
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) command: GateCommand,
}

/// The forced command itself, or one of the words for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GateCommand {
    Serve,
    Check,
    Sudoers(String),
    /// What sudo runs: a command under a time limit.
    Within(TimeLimit, Vec<String>),
    Help,
    Version,
}

/// What `repair_gate --help` prints: its words and options, for man pages too.
pub const HELP: &str = "\
repair_gate: runs, over SSH, one of the repairs its own file names, and refuses
everything else.

Usage, in authorized_keys of the account 'repair', as the forced command of the
Nagios server's key:
  restrict,command=\"/usr/libexec/nagios-selfheal/repair_gate\" ssh-ed25519 AAA...

  repair_gate [--config FILE] [--state DIR]
      answers SSH_ORIGINAL_COMMAND, which is one of
      repair NAME JOB, diagnose NAME, ready NAME, usage, status JOB,
      list, version
  repair_gate [--config FILE] check
      says what is wrong with the file, or lists its repairs; warns root of
      settings of sudo and systemd under which a repair would die
  repair_gate [--config FILE] sudoers [USER]
      prints a sudoers file for USER (repair), as sudo and sudo-rs read it
  repair_gate within SECONDS GRACE PROGRAM...
      runs a program; at the limit its process group gets SIGTERM, then SIGKILL;
      the gate runs every repair so, and sudo is told to
  repair_gate --help | --version

Options:
  --config FILE   the repairs (/etc/nagios-selfheal/repairs.json); it and every
                  directory above it must belong to root and be writable by
                  nobody else. A file 'hold' beside it stops all repairs.
  --state DIR     records and lock (/var/lib/nagios-selfheal/gate); it must
                  belong to the account the gate runs under, mode 0700

Keys of a repair in repairs.json:
  run             the command: an absolute path and its arguments
  as              the account that runs it, through sudo; then letters, digits
                  and _-./:=,+@%~{} alone, and at most 900 bytes
  timeout         when it is stopped (200s: systemd may take 90 s to stop a unit
                  and 90 s to start it). It takes 15 s more until nothing of it
                  runs; the timeout of the rung in the server's policy.json (4m)
                  must be longer still, by the time to connect
  cooldown        time after its end in which it does not run again (1m)
  budget          {\"count\": N, \"window\": TIME}: at most N runs in that time
  diagnose        up to 8 commands that change nothing and show what is wrong

Nothing is configured through the environment, which a client can send parts of.
Exit code: 0 answered or done, 1 the repair failed, 2 it is running or nobody
knows how it ended, 3 refused; 'within' hands on the program's.
";

/// Reads the arguments after the program's name.
///
/// # Errors
/// A word is unknown, or its value is missing or wrong.
pub(crate) fn read(argv: &[OsString]) -> Result<GateArgs, Rejection> {
    let wrong = |text: String| RejectionReason::Config.because(text);
    let mut args = GateArgs {
        config: "/etc/nagios-selfheal/repairs.json".into(),
        state: "/var/lib/nagios-selfheal/gate".into(),
        command: GateCommand::Serve,
    };
    if argv.first().is_some_and(|word| word == "within") {
        args.command = within(argv)
            .ok_or_else(|| wrong("usage: repair_gate within SECONDS GRACE PROGRAM...".into()))?;
        return Ok(args);
    }
    let mut words = argv.iter().peekable();
    while let Some(word) = words.next() {
        if word == "sudoers" && args.command == GateCommand::Serve {
            let user = words.next_if(|user| !user.as_encoded_bytes().starts_with(b"-"));
            args.command = GateCommand::Sudoers(
                user.map_or("repair".into(), |user| user.display().to_string()),
            );
            continue;
        }
        let missing = || wrong(format!("{} needs a value", word.display()));
        let mut value = || words.next().map(PathBuf::from).ok_or_else(missing);
        match (word.to_str().unwrap_or_default(), &args.command) {
            ("--config", _) => args.config = value()?,
            ("--state", _) => args.state = value()?,
            ("--help" | "-h", _) => args.command = GateCommand::Help,
            ("--version" | "-V", _) => args.command = GateCommand::Version,
            ("check", GateCommand::Serve) => args.command = GateCommand::Check,
            _ => {
                let word = word.display();
                return Err(wrong(format!("unknown argument '{word}'; see repair_gate --help")));
            }
        }
    }
    match args.command {
        GateCommand::Sudoers(user) if !is_account(&user) => {
            Err(wrong(format!("'{user}' is not the name of an account")))
        }
        _ => Ok(args),
    }
}

fn within(argv: &[OsString]) -> Option<GateCommand> {
    let words: Vec<String> =
        argv.iter().map(|word| word.to_str().map(str::to_owned)).collect::<Option<_>>()?;
    let seconds = |word: &String| word.parse().ok().map(Duration::from_secs);
    match words.as_slice() {
        [_, timeout, grace, command @ ..] if !command.is_empty() => Some(GateCommand::Within(
            TimeLimit { timeout: seconds(timeout)?, grace: seconds(grace)? },
            command.to_vec(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(line: &str) -> Result<GateArgs, Rejection> {
        read(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn without_arguments_it_serves_with_the_packaged_paths() {
        let args = reads("").unwrap();
        assert_eq!(args.command, GateCommand::Serve);
        assert_eq!(args.config.to_str(), Some("/etc/nagios-selfheal/repairs.json"));
        assert_eq!(args.state.to_str(), Some("/var/lib/nagios-selfheal/gate"));
    }

    #[test]
    fn paths_and_words_are_read_and_everything_else_is_refused() {
        let args = reads("--config /a --state /b check").unwrap();
        assert_eq!(
            (args.config.to_str(), args.state.to_str(), args.command),
            (Some("/a"), Some("/b"), GateCommand::Check)
        );
        assert_eq!(reads("sudoers").unwrap().command, GateCommand::Sudoers("repair".into()));
        assert_eq!(
            reads("sudoers --config /a").unwrap().command,
            GateCommand::Sudoers("repair".into())
        );
        assert_eq!(reads("sudoers gate").unwrap().command, GateCommand::Sudoers("gate".into()));
        for bad in [
            "--config",
            "--nonsense",
            "repair httpd 20261123-aa",
            "check check",
            "sudoers ALL",
            "sudoers a,b",
            "sudoers a b",
        ] {
            assert!(reads(bad).is_err(), "{bad}");
        }
    }
}
