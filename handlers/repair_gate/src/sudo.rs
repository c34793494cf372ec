//! Runs `sudo -l` to check the sudo(8) rules and options that apply to the gate's account. Changes
//! nothing.

use std::path::Path;

use crate::context::gate_path;
use crate::durations::TimeLimit;
use crate::output::clean;
use crate::rejection::{Rejection, RejectionReason};
use crate::run::{self, ExecutedCommand};
use crate::timeout::ProcessEnd;
use crate::{host, sudoers};

const SUDO: &str = "/usr/bin/sudo";

/// sudoers(5) options that break a repair or a daemon that it starts, with their effect. The
/// original sudo has all of them. sudo-rs has only `noexec`, and `sudo -l` does not list it.
const HARMFUL: [(&str, &str); 7] = [
    ("intercept", "prevents a repair from starting programs"),
    ("noexec", "prevents a repair from starting programs"),
    ("log_subcmds", "prevents a daemon started by a repair from starting programs"),
    ("log_output", "kills a daemon started by a repair as soon as the daemon prints something"),
    ("log_stdout", "kills a daemon started by a repair as soon as the daemon prints something"),
    ("log_stderr", "kills a daemon started by a repair as soon as the daemon prints something"),
    ("command_timeout", "stops a repair before the repair's own timeout"),
];

/// Checks that sudo permits exactly the command `argv`. If `sudo -l` has a command as its argument,
/// it does not run the command, and exits with 0 if the command is permitted.
pub(crate) fn check_command(
    argv: &[String],
    account: &str,
    limit: TimeLimit,
    config: &Path,
) -> Result<(), Rejection> {
    let gate = gate_path()?;
    let mut list = [SUDO, "-n", "-l", "-u", account, "--"].map(str::to_owned).to_vec();
    list.extend(limit.command_line(&gate, argv));
    let ran = run::run(&list, None, TimeLimit::DIAGNOSIS, None);
    let command = clean(&argv.join(" "), 100);
    if answered(&ran, &format!("whether sudo lets this account run '{command}'"))? {
        return Ok(());
    }
    let printed = ran.output.iter().find(|line| !line.trim().is_empty());
    let printed = printed.map_or(String::new(), |line| format!(" ({})", clean(line, 100)));
    Err(RejectionReason::Config.because(format!(
        "sudo does not let this account run '{command}' as {account}{printed}; as root here: {}",
        sudoers::renewal(&gate, config)
    )))
}

/// Checks the sudo options that apply when the current account runs commands as `account`.
pub(crate) fn check_options(account: &str) -> Result<(), Rejection> {
    let ran = list(None);
    // Ignore the failure if this account may not run `sudo -l`. The option `listpw` can forbid it
    // even if the account may run the repair.
    if answered(&ran, "which options sudo applies to a repair")?
        && let Some(wrong) = harm(&ran.output, &gate_path()?, account)
    {
        return Err(RejectionReason::Config.because(wrong));
    }
    Ok(())
}

/// Returns a warning for root if sudo applies a harmful option to commands that `user` runs as
/// `account`.
pub(crate) fn warning(user: &str, account: &str) -> Option<String> {
    harm(&list(Some(user)).output, &gate_path().ok()?, account)
}

/// Whether sudo requires a terminal from `user`. A forced command has no terminal. Returns false if
/// this process does not run as root, because only root can list the options of another account.
pub(crate) fn requires_terminal(user: &str) -> Result<bool, Rejection> {
    if !host::is_root() {
        return Ok(false);
    }
    let ran = list(Some(user));
    answered(&ran, "whether sudo requires a terminal")?;
    // If sudo requires a terminal even from root, sudo prints only this error.
    Ok(ran.output.iter().any(|line| line.contains("you must have a tty"))
        || SudoOptions::read(&ran.output).general.iter().any(|option| option == "requiretty"))
}

fn list(user: Option<&str>) -> ExecutedCommand {
    let of_user = user.into_iter().flat_map(|user| ["-U", user]);
    let words: Vec<String> =
        [SUDO, "-n", "-l"].into_iter().chain(of_user).map(str::to_owned).collect();
    run::query(&words)
}

/// Returns whether sudo exited with 0. The error message contains `question`, which is what the
/// caller wants to find out.
///
/// # Errors
/// Fails if sudo did not start or did not exit by itself. Such a failure does not mean that sudo
/// forbids anything.
fn answered(ran: &ExecutedCommand, question: &str) -> Result<bool, Rejection> {
    match ran.no_exit_code() {
        Some(why) => {
            Err(RejectionReason::State.because(format!("cannot determine {question}: {why}")))
        }
        None => Ok(ran.end == Ok(ProcessEnd::Exit(0))),
    }
}

fn harm(printed: &[String], gate: &str, account: &str) -> Option<String> {
    let options = SudoOptions::read(printed);
    let active: Vec<_> =
        HARMFUL.iter().filter(|(name, _)| options.active(name, gate, account)).collect();
    let (_, harm) = active.first()?;
    let names: Vec<&str> = active.iter().map(|(name, _)| *name).collect();
    let file = "/etc/sudoers.d/nagios-selfheal-defaults";
    Some(format!(
        "sudo's option {} {harm}; as root here: echo 'Defaults!{gate} !{}' >> {file} && chmod 440 \
         {file} && visudo -c",
        names.join(", "),
        names.join(", !"),
    ))
}

/// The options listed by `sudo -l`, in the order in which sudo applies them.
#[derive(Debug, Default)]
struct SudoOptions {
    /// Options that apply to every command.
    general: Vec<String>,
    /// Options that apply only to some accounts (`>`) or commands (`!`). Each entry consists of one
    /// of these two characters, the names of the accounts or commands, and the options.
    bound: Vec<(char, Vec<String>, Vec<String>)>,
}

impl SudoOptions {
    fn read(printed: &[String]) -> SudoOptions {
        let section = |heading: &str| {
            let lines = printed.iter().skip_while(|line| !line.starts_with(heading)).skip(1);
            lines.take_while(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join(" ")
        };
        let bound = section("Runas and Command-specific defaults");
        SudoOptions {
            general: words(&section("Matching Defaults entries")),
            bound: bound.split("    Defaults").filter_map(bound_to).collect(),
        }
    }

    fn active(&self, name: &str, gate: &str, account: &str) -> bool {
        let applies = |kind: char, names: &[String]| {
            let ours = if kind == '>' { account } else { gate };
            names.iter().any(|name| name == ours || name == "ALL")
        };
        let bound = self.bound.iter().filter(|(kind, names, _)| applies(*kind, names));
        let options = self.general.iter().chain(bound.flat_map(|(_, _, options)| options));
        let mut named =
            options.filter(|option| option.trim_start_matches('!').split('=').next() == Some(name));
        named.next_back().is_some_and(|option| !option.starts_with('!'))
    }
}

/// Parses an entry such as `>root, daemon OPTION, OPTION` or `!/usr/bin/id OPTION`.
fn bound_to(entry: &str) -> Option<(char, Vec<String>, Vec<String>)> {
    let kind = entry.chars().next()?;
    let (mut names, mut rest) = (Vec::new(), entry.get(1..)?);
    loop {
        let (name, behind) = rest.trim_start().split_once(' ')?;
        rest = behind;
        names.push(name.trim_end_matches(',').to_owned());
        if !name.ends_with(',') {
            return Some((kind, names, words(rest)));
        }
    }
}

/// Splits at whitespace and drops everything in double quotes.
fn words(text: &str) -> Vec<String> {
    let outside = text.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    outside.split_whitespace().map(|word| word.trim_end_matches(',').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: &str = "/usr/libexec/nagios-selfheal/repair_gate";

    /// Returns the harmful options that are found in the output of `sudo -l` as sudo 1.9.13 prints
    /// it. `general` is added to the options for every command, and `bound` is the section with the
    /// options for some accounts or commands.
    fn active(general: &str, bound: &str) -> Vec<&'static str> {
        let text = format!(
            "Matching Defaults entries for repair on web1:\n    env_reset, \
             secure_path=/usr/sbin\\:/usr/bin, use_pty{general}\n\n\
             Runas and Command-specific defaults for repair:\n{bound}\n\n\
             User repair may run the following commands on web1:\n    (root) NOPASSWD: /x noexec\n"
        );
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let options = SudoOptions::read(&lines);
        let names = HARMFUL.iter().map(|(name, _)| *name);
        names.filter(|name| options.active(name, GATE, "root")).collect()
    }

    #[test]
    fn finds_harmful_options_in_all_sections() {
        assert_eq!(active("", ""), [""; 0]);
        assert_eq!(active(", log_output", ""), ["log_output"]);
        assert_eq!(
            active(", intercept, command_timeout=1h30m", ""),
            ["intercept", "command_timeout"]
        );
        assert_eq!(active(", noexec, !noexec", ""), [""; 0]);
        assert_eq!(active(", !noexec, noexec", ""), ["noexec"]);
        assert_eq!(active("", "    Defaults>daemon, root log_output"), ["log_output"]);
        assert_eq!(active("", "    Defaults>daemon log_output"), [""; 0]);
        assert_eq!(active("", &format!("    Defaults!/usr/bin/id, {GATE} noexec")), ["noexec"]);
        assert_eq!(active("", "    Defaults!ALL log_stderr"), ["log_stderr"]);
        // The original sudo prints these two entries without a newline between them.
        assert_eq!(
            active("", "    Defaults>ALL log_stdout    Defaults!/usr/bin/sudoreplay !log_stdout"),
            ["log_stdout"]
        );
    }

    #[test]
    fn fix_turns_off_the_options_and_quoted_values_are_ignored() {
        let fixed = format!("    Defaults!{GATE} !log_output, !intercept");
        assert_eq!(active(", log_output, intercept", &fixed), [""; 0]);
        assert_eq!(active(", passprompt=\"a, intercept, b\", iolog_dir=/x", ""), [""; 0]);
        let printed =
            ["Matching Defaults entries".to_owned(), "    log_output, intercept".to_owned()];
        let text = harm(&printed, GATE, "root").unwrap();
        assert!(text.contains(&format!("echo 'Defaults!{GATE} !intercept, !log_output' >>")));
    }
}
