//! The gate's arguments, which the administrator writes into authorized_keys or into the
//! configuration of an agent. They contain nothing that an SSH client has sent.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::is_account;
use crate::durations::TimeLimit;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;

/// The parsed arguments: the files to use and the command to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GateArgs {
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) command: GateCommand,
}

/// What the gate does: it serves a request as the forced command, or runs a command for an
/// administrator, an agent or sudo.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GateCommand {
    Serve,
    /// `repair NAME`, for an agent on this host, such as NRPE.
    Repair(Name),
    Check,
    Sudoers(String),
    /// `within`: runs a command under a time limit. sudo starts the gate with this command.
    Within(TimeLimit, Vec<String>),
    Help,
    Version,
}

/// The output of `repair_gate --help`. The man page is generated from it.
pub const HELP: &str = "\
repair_gate: runs the repairs named in repairs.json when a Nagios server
requests them over SSH, and refuses everything else.

In authorized_keys of the account 'repair', make repair_gate the forced command
of the Nagios server's key:
  restrict,command=\"/usr/libexec/nagios-selfheal/repair_gate\" ssh-ed25519 AAA...

  repair_gate [--config FILE] [--state DIR]
      Answer the request in SSH_ORIGINAL_COMMAND, which is one of
      repair NAME JOB, diagnose NAME, ready NAME, usage, status JOB,
      list, version
  repair_gate [--config FILE] [--state DIR] repair NAME
      Run a repair now, under the same limits, and print the same answer. An
      agent on this host, such as NRPE, can call the gate this way.
  repair_gate [--config FILE] check
      Check repairs.json for errors and list its repairs. If root runs this,
      also warn about sudo and systemd settings that would kill a repair.
  repair_gate [--config FILE] sudoers [USER]
      Print a sudoers file that lets USER [default: repair] run the commands
      in repairs.json. The original sudo and sudo-rs both accept this file.
  repair_gate within SECONDS GRACE PROGRAM...
      Run a program for at most SECONDS. Then send SIGTERM to its process
      group and, GRACE seconds later, SIGKILL. The gate runs every repair this
      way, with or without sudo.
  repair_gate --help | --version

Options:
  --config FILE   Read the repairs from FILE. FILE and every directory above it
                  must belong to root, and nobody else may be able to write to
                  them. While a file named 'hold' is in the directory of FILE,
                  the gate runs no repair.
                  [default: /etc/nagios-selfheal/repairs.json]
  --state DIR     Keep the records and the lock in DIR. DIR must belong to the
                  account that runs the gate, and must have mode 0700.
                  [default: /var/lib/nagios-selfheal/gate]

Keys of a repair in repairs.json:
  run             The command: the absolute path of a program, and arguments.
  as              The account that runs the command, through sudo. With this
                  key, the command can have at most 900 bytes and contain only
                  letters, digits and _-./:=,+@%~{}.
  timeout         How long the command may run before the gate stops it
                  [default: 200s, because systemd may take 90 s to stop a unit
                  and 90 s to start it]. Stopping it can take another 15 s. In
                  the server's policy.json, the timeout of the rung [default:
                  4m] must be longer than both times together, because
                  connecting takes time as well.
  cooldown        How long to wait after a run before the next one can start
                  [default: 1m].
  budget          {\"count\": N, \"window\": TIME}: at most N runs within TIME.
  diagnose        Up to 8 commands that show what is wrong. They must change
                  nothing.

repair_gate reads no settings from the environment, because a client can send
parts of it.
Exit code: 0 the gate has answered or the repair is done, 1 the repair failed,
2 the repair is running or its outcome is unknown, 3 the gate refused the
request. 'within' returns the program's exit code.
";

/// Parses the arguments that follow the program's name.
///
/// # Errors
/// Fails if an argument is unknown or its value is missing or invalid.
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
        // If an agent such as NRPE lets its client choose the name, the client can append further
        // words. Refuse a request with such words.
        if let GateCommand::Repair(name) = &args.command {
            let (word, name) = (word.display(), name.as_str());
            return Err(wrong(format!("unexpected '{word}' after 'repair {name}'; remove it")));
        }
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
            ("repair", GateCommand::Serve) => {
                let name = Name::new(&value()?.to_string_lossy());
                let name = name.ok_or_else(|| wrong("repair needs the name of a repair".into()))?;
                args.command = GateCommand::Repair(name);
            }
            _ => {
                let word = word.display();
                return Err(wrong(format!("unknown argument '{word}'; see repair_gate --help")));
            }
        }
    }
    match args.command {
        GateCommand::Sudoers(user) if !is_account(&user) => {
            Err(wrong(format!("'{user}' is not a valid account name")))
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
    fn serves_with_packaged_paths_without_arguments() {
        let args = reads("").unwrap();
        assert_eq!(args.command, GateCommand::Serve);
        assert_eq!(args.config.to_str(), Some("/etc/nagios-selfheal/repairs.json"));
        assert_eq!(args.state.to_str(), Some("/var/lib/nagios-selfheal/gate"));
    }

    #[test]
    fn parses_paths_and_commands_and_refuses_everything_else() {
        let args = reads("--config /a --state /b check").unwrap();
        assert_eq!(
            (args.config.to_str(), args.state.to_str(), args.command),
            (Some("/a"), Some("/b"), GateCommand::Check)
        );
        assert_eq!(
            reads("--state /b repair httpd").unwrap().command,
            GateCommand::Repair(Name::new("httpd").unwrap())
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
            "repair",
            "repair ../httpd",
            "repair httpd 20261123-aa",
            "repair httpd repair httpd",
            "repair httpd --state /b",
            "repair httpd --config /a",
            "repair httpd --help",
            "check repair httpd",
            "check check",
            "sudoers ALL",
            "sudoers a,b",
            "sudoers a b",
        ] {
            assert!(reads(bad).is_err(), "{bad}");
        }
    }
}
