//! Sets up a host over the admin's own ssh login. Reads the host's repairs.json, shows the whole
//! script, asks for confirmation, and runs the script.

use std::fs;
use std::path::{Path, PathBuf};

use plugin_kit::{Out, ToolResult, clean};
use privsep::quoted;

use super::args::InitArgs;
use super::error::InitError;
use super::login::{Login, LoginFailure};
use super::merge::{MergedFile, merge};
use super::recipe::{self, Recipe};
use super::script::{self, GateSource, RepairsFile};
use super::server::difference;
use crate::context::Context;
use crate::gate_setup::{self, GATE, REPAIRS};
use crate::paste::Paste;
use crate::split::CommandResult;
use crate::trust;
use crate::ui::question;

/// Sets up the host and prints the command for the next step.
pub fn set_up(
    args: &InitArgs,
    host: &str,
    context: &Context,
    recipes: &[Recipe],
    out: &mut Out,
) -> CommandResult {
    let login = Login::new(args.address.as_deref().unwrap_or(host), args.sudo_user.as_deref())?;
    let key = context.config()?.routes.route(host, None).key;
    let line = gate_setup::public_half(&key)
        .map(|_| gate_setup::key_line(&key))
        .ok_or_else(|| InitError::NoPublicKey(key.clone()))?;
    let (program, shown) = (read_gate()?, clean(host));
    out.line(format!("\nReading repairs.json on {shown} with `{login}`"));
    out.flush();
    let there = match look(&login)? {
        Ok(there) => there,
        Err(why) => return Ok(explain(why, args, host, &login, context, out)),
    };
    let repairs = repairs_file(host, there, args, recipes)?;
    let text = |gate| script::text(&gate, &line, &repairs);
    out.line(format!("This script is for {shown}, as root:\n"));
    out.line(text(GateSource::Elided(&program)));
    if let RepairsFile::Merged { added, .. } = &repairs {
        out.line(format!(
            "The script adds this to {REPAIRS}:\n{lines}\n",
            lines = difference(added)
        ));
    }
    let instead = "pass --yes to skip the question; nothing was done on the host";
    if !args.yes && !question::agrees(&format!("Run this script on {shown}?"), instead, out)? {
        out.line(format!("Nothing was done on {shown}."));
        return Ok(ToolResult::Failed);
    }
    out.flush();
    let mut fingerprint = None;
    let done = login.run(&text(GateSource::Inside(&program)), |line| {
        out.line(clean(line));
        out.flush();
        fingerprint = fingerprint_in(line).or(fingerprint.take());
    })?;
    if let Err(why) = done {
        return Ok(explain(why, args, host, &login, context, out));
    }
    let how = fingerprint.map(|key| format!(" --fingerprint {key}")).unwrap_or_default();
    let trust = context.repairctl_with_nagios(&format!("trust {}{how}", quoted(host)));
    out.line(format!(
        "\n{shown} is set up. The host key above was received over your own ssh connection. To \
         record this key, {record}",
        record = Paste::here(trust)
    ));
    Ok(ToolResult::Fine)
}

/// Line that the script prints before the content of repairs.json. Init ignores all output before
/// this line, because a login shell can print text of its own first.
const MARK: &str = "nagios-selfheal: repairs.json";

/// The repairs.json that is on the host before init changes it.
#[derive(Default)]
struct HostRepairs {
    /// Output of cksum(1) for the file; empty if the file does not exist. The script compares this
    /// sum with that of the current file, to detect whether the file has changed.
    sum: String,
    /// Content of the file; empty if it does not exist.
    text: String,
}

/// Logs in to the host and reads its repairs.json.
fn look(login: &Login) -> Result<Result<HostRepairs, LoginFailure>, InitError> {
    let script =
        format!("echo '{MARK}'\nif [ -e {REPAIRS} ]; then cksum < {REPAIRS}; cat {REPAIRS}; fi\n");
    let (mut is_marked, mut there) = (false, HostRepairs::default());
    let done = login.run(&script, |line| {
        if !is_marked {
            is_marked = line == MARK;
        } else if there.sum.is_empty() {
            // Keep only harmless characters, because the sum becomes part of the script.
            there.sum = line.chars().filter(|c| c.is_ascii_digit() || *c == ' ').collect();
        } else if there.text.len() < LARGEST {
            there.text.extend([line, "\n"]);
        }
    })?;
    Ok(done.map(|()| there))
}

/// Maximum number of bytes to read from the host's repairs.json. The rest of a larger file is
/// ignored.
const LARGEST: usize = 1 << 20;
/// The repairs.json from the package `repair-gate`. It contains no repairs.
const PACKAGED: &str = include_str!("../../../../packaging/gate/repairs.json");

/// Decides what the script does with the host's repairs.json.
fn repairs_file(
    host: &str,
    HostRepairs { sum, text }: HostRepairs,
    args: &InitArgs,
    recipes: &[Recipe],
) -> Result<RepairsFile, InitError> {
    if text.trim().is_empty() || text.trim() == PACKAGED.trim() {
        return Ok(RepairsFile::New(recipe::repairs_json(recipes)));
    }
    // Without --repair, an existing file stays unchanged.
    if args.repairs.is_empty() {
        return Ok(RepairsFile::Kept);
    }
    match merge(&text, &recipe::for_gate(recipes)) {
        Ok(None) => Ok(RepairsFile::Kept),
        Ok(Some(MergedFile { text, added })) => Ok(RepairsFile::Merged { sum, text, added }),
        Err(why) => Err(InitError::Merge { place: format!("{REPAIRS} on {}", clean(host)), why }),
    }
}

/// Prints what to do after a failure.
fn explain(
    why: LoginFailure,
    args: &InitArgs,
    host: &str,
    login: &Login,
    context: &Context,
    out: &mut Out,
) -> ToolResult {
    let (shown, by_hand) = (clean(host), Paste::as_yourself(login.by_hand()));
    let repairs: String =
        args.repairs.iter().map(|repair| format!(" --repair {}", quoted(repair))).collect();
    let init = |options: &str| context.repairctl_with_nagios(&format!("init{repairs}{options}"));
    let user = args.sudo_user.as_deref().unwrap_or("your account");
    out.line(match why {
        LoginFailure::Name => format!(
            "ssh cannot resolve {shown}: add it to your ssh_config, or pass --address NAME, where \
             NAME is what you type after ssh"
        ),
        LoginFailure::HostKey => format!(
            "your own known_hosts has no key for {shown}, or the host presents a different key: \
             connect once to compare the keys, {by_hand}"
        ),
        LoginFailure::Connection => {
            format!("cannot connect to {shown}: to see why, {by_hand}")
        }
        LoginFailure::Denied => format!(
            "{shown} refused your login: to try it by hand, {by_hand}\n\
             If your key is in an ssh-agent, sudo hides this agent from init. To keep the agent \
             visible, {agent}",
            agent = Paste::as_yourself(format!(
                "sudo --preserve-env=SSH_AUTH_SOCK {}",
                init(&format!(" --target {}", quoted(host)))
            ))
        ),
        LoginFailure::Sudo => format!(
            "{user} may not use sudo without a password on {shown}. Allow it temporarily, log in \
             as root with --sudo-user root, or paste the script that this command prints into a \
             root shell on the host, {init}",
            init = Paste::here(init(""))
        ),
        LoginFailure::Script => {
            format!(
                "The script failed on {shown}: read its output above, fix the cause, and run init \
                 again."
            )
        }
    });
    ToolResult::Failed
}

/// Returns the path of the repair_gate to copy to the host, preferably the one that was installed
/// with this program.
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

/// Returns the fingerprint in a line of the host's output. Accepts only a word that as a whole is a
/// valid fingerprint, because it becomes part of a command that the admin pastes.
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
