//! Sets the host up over the admin's own ssh: shows the whole script, asks, then runs it. Nagios
//! never does this.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use plugin_kit::{Out, Problem, ToolResult, clean};
use privsep::Account;

use super::args::InitArgs;
use super::error::InitError;
use super::script::{self, GateSource};
use crate::context::Context;
use crate::gate_setup::{self, GATE};
use crate::split::CommandResult;
use crate::sudo;
use crate::trust;
use crate::ui::question;

/// Sets the host up and prints what comes next.
pub fn set_up(
    args: &InitArgs,
    host: &str,
    context: &Context,
    repairs: &str,
    out: &mut Out,
) -> CommandResult {
    let config = context.config()?;
    let route = config.routes.route(host, args.address.as_deref());
    let user = args.sudo_user.as_deref().unwrap_or("root");
    let argv = ssh_command(&route, user)?;
    let line = gate_setup::public_half(&route.key)
        .map(|_| gate_setup::key_line(&route.key))
        .ok_or_else(|| InitError::NoPublicKey(route.key.clone()))?;
    let (program, host) = (read_gate()?, clean(host));
    out.line(format!("\nOn {host} as root, by `{}`:\n", argv.join(" ")));
    out.line(script::text(&GateSource::Elided(&program), &line, repairs));
    if !args.yes && !confirmed(&host, out)? {
        out.line("Nothing was done there.");
        return Ok(ToolResult::Failed);
    }
    out.flush();
    let script = script::text(&GateSource::Inside(&program), &line, repairs);
    let (done, fingerprint) = run(&argv, &script, out)?;
    if !done {
        out.line(format!(
            "It did not go through on {host}; what is above says why. It can be run again.\n\
             '{user}' there needs sudo without a password for this (sudo -n sh), or take \
             --sudo-user root, or paste it there."
        ));
        return Ok(ToolResult::Failed);
    }
    let how = fingerprint.map(|key| format!(" --fingerprint {key}")).unwrap_or_default();
    out.line(format!(
        "\n{host} is set up. Its key, as your own ssh has just seen it: repairctl trust {host}{how}"
    ));
    Ok(ToolResult::Fine)
}

fn confirmed(host: &str, out: &mut Out) -> Result<bool, Problem> {
    let instead = "with --yes it is done without asking; nothing was done there";
    let answer = question::ask(&format!("Do this on {host}? (yes/no)"), instead, out)?;
    Ok(answer.eq_ignore_ascii_case("yes"))
}

/// Finds the gate of this version on this server.
pub fn find_gate() -> Option<PathBuf> {
    let us = std::env::current_exe().unwrap_or_default();
    let beside = us.with_file_name("repair_gate");
    let prefix = us.parent().and_then(Path::parent);
    let libexec = prefix.map(|prefix| prefix.join("libexec/nagios-selfheal"));
    let packaged = libexec.into_iter().flat_map(|libexec| {
        ["for-hosts/repair_gate", "repair_gate"].map(|name| libexec.join(name))
    });
    [beside].into_iter().chain(packaged).chain([GATE.into()]).find(|path| path.is_file())
}

fn read_gate() -> Result<Vec<u8>, InitError> {
    let path = find_gate().ok_or(InitError::NoGate)?;
    fs::read(&path).map_err(|why| InitError::ReadGate { path, why })
}

/// Returns the command that runs a shell as root there, with the admin's own ssh configuration and
/// keys; it may ask for a password.
fn ssh_command(route: &policy_file::HostRoute, user: &str) -> Result<Vec<String>, InitError> {
    let plain = |text: &str, more: &[char]| {
        let fine = |c: char| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') || more.contains(&c)
        };
        !text.is_empty() && !text.starts_with('-') && text.chars().all(fine)
    };
    if !plain(user, &['@']) || !plain(&route.address, &[':', '%']) {
        return Err(InitError::BadLogin { user: user.into(), address: route.address.clone() });
    }
    let port = route.port.to_string();
    let args =
        ["/usr/bin/ssh", "-o", "ConnectTimeout=20", "-p", &port, "-l", user, "--", &route.address];
    let shell: &[&str] = if user == "root" { &["sh"] } else { &["sudo", "-n", "sh"] };
    Ok(args.iter().chain(shell).map(|word| (*word).to_owned()).collect())
}

/// Returns the command, run as the caller of sudo(8): root does not have their keys.
fn as_sudo_caller(argv: &[String]) -> Command {
    let mut words = argv.iter();
    let Some((uid, gid)) = sudo::caller() else {
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words);
        return command;
    };
    let mut command = Command::new("/usr/bin/setpriv");
    command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--init-groups", "--"]);
    command.args(words);
    if let Ok(Some(account)) = Account::of_uid(uid) {
        command.env("HOME", account.home);
    }
    command
}

/// Runs the script there. Returns whether it succeeded, and the fingerprint of the host's key that
/// it printed.
fn run(argv: &[String], script: &str, out: &mut Out) -> Result<(bool, Option<String>), InitError> {
    let mut child = as_sudo_caller(argv)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(InitError::Ssh)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut fingerprint = None;
    thread::scope(|scope| {
        // A host that ends early leaves the rest unread; the exit code shows it.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(script.as_bytes())));
        let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
        for line in lines.map_while(Result::ok) {
            out.line(clean(&line));
            out.flush();
            fingerprint = fingerprint_in(&line).or(fingerprint.take());
        }
    });
    let done = child.wait().map_err(InitError::Ssh)?.success();
    Ok((done, fingerprint))
}

/// Finds the fingerprint in a line of the host, which becomes part of a command to type here.
fn fingerprint_in(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| trust::is_fingerprint(word)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_fingerprint_with_trailing_command() {
        let key = "SHA256:iDanZVHTETJ5NtIQFoQoBEUdHD8AQgHdrfTsZ2Fy1gw";
        assert_eq!(fingerprint_in(&format!("256 {key} root@web1 (ED25519)")), Some(key.to_owned()));
        for word in ["SHA256:x;id", "SHA256:$(id)", &format!("{key};id"), &format!("{key}`id`")] {
            assert_eq!(fingerprint_in(word), None, "{word}");
        }
    }
}
