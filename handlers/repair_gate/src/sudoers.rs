//! Generates the sudoers(5) file that lets the gate's account run exactly the commands in
//! repairs.json.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::RepairDefinitions;
use crate::ownership::shell_word;
use crate::rejection::{Rejection, RejectionReason};

const FILE: &str = "/etc/sudoers.d/nagios-selfheal";

/// Maximum length of the gate's path in bytes. sudo-rs allows 1,024 bytes for a whole command. The
/// module `config` limits the rest of the command.
const LONGEST_GATE: usize = 100;

/// Returns the content of the sudoers file for the account `user`. `gate` is the path of the gate,
/// and `terminal` is set if sudo requires a terminal from the account. The file means the same to
/// the original sudo and to sudo-rs.
///
/// # Errors
/// Fails if the gate's path is too long or contains a character that is special in sudoers.
pub(crate) fn file(
    repairs: &RepairDefinitions,
    user: &str,
    gate: &str,
    terminal: bool,
) -> Result<String, Rejection> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./+".contains(&b);
    if gate.len() > LONGEST_GATE || !gate.bytes().all(plain) {
        return Err(RejectionReason::Config.because(format!(
            "the path {gate} cannot be used in a sudoers file; install repair_gate under a path \
             that has at most {LONGEST_GATE} characters and contains only letters, digits and _-./+"
        )));
    }
    let mut lines = BTreeSet::new();
    for (_, repair) in repairs.iter() {
        let Some(account) = repair.user.as_deref().filter(|account| *account != user) else {
            continue;
        };
        for (argv, limit) in repair.commands() {
            let command = escaped(&limit.command_line(gate, argv));
            lines.insert(format!("{user} ALL=({account}) NOPASSWD: NOSETENV: {command}"));
        }
    }
    let mut text = String::from(
        "# Made by `repair_gate sudoers` from repairs.json. Regenerate this file when repairs.json \
         changes.\n",
    );
    // Turn off requiretty, because a forced command has no terminal. Old versions of RHEL turn this
    // option on. Add the line only if it is needed, because sudo-rs does not know the option and
    // rejects a file that contains it.
    if terminal {
        text.push_str(&format!("Defaults:{user} !requiretty\n"));
    }
    lines.into_iter().for_each(|line| text.extend([line.as_str(), "\n"]));
    Ok(text)
}

/// Returns the command with which root generates the sudoers file from `config` and replaces it
/// atomically. sudo(8) ignores the temporary file, because its name contains a dot.
pub(crate) fn renewal(gate: &str, config: &Path) -> String {
    let (gate, config) = (shell_word(gate.as_ref()), shell_word(config));
    format!(
        "(umask 226 && {gate} --config {config} sudoers > {FILE}.new && visudo -cqf {FILE}.new && \
         mv -f {FILE}.new {FILE})"
    )
}

/// Joins and escapes a command for sudoers(5), in which `,`, `:`, `=` and `\` in arguments need a
/// backslash. The module `config` allows no other character that is special to the original sudo or
/// to sudo-rs.
fn escaped(words: &[String]) -> String {
    let mut text = String::new();
    for c in words.join(" ").chars() {
        if matches!(c, ',' | ':' | '=') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn contains_every_command_escaped() {
        let repairs = parse(
            r#"{"repairs": {
                "web": {"run": ["/usr/sbin/x", "--set=a:b,c", "@1"], "as": "root", "timeout": "2m",
                    "diagnose": [["/usr/bin/journalctl", "-n", "50"]]},
                "own": {"run": ["/bin/true"]},
                "mine": {"run": ["/bin/true"], "as": "repair"}}}"#,
        );
        let repairs = repairs.unwrap();
        let lines = |terminal| {
            let text = file(&repairs, "repair", "/usr/libexec/gate", terminal).unwrap();
            text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(false),
            [
                "repair ALL=(root) NOPASSWD: NOSETENV: /usr/libexec/gate within 10 2 \
                 /usr/bin/journalctl -n 50",
                "repair ALL=(root) NOPASSWD: NOSETENV: /usr/libexec/gate within 120 10 \
                 /usr/sbin/x --set\\=a\\:b\\,c @1",
            ]
        );
        assert_eq!(lines(true)[0], "Defaults:repair !requiretty");
        assert_eq!(lines(true)[1..], lines(false));
    }

    #[test]
    fn refuses_gate_path_with_special_characters() {
        let repairs = parse(r#"{"repairs": {}}"#).unwrap();
        for gate in ["/opt/my gate", "/opt/*/gate", "/opt/[ab]/gate", "/opt/a,b", &"/a".repeat(51)]
        {
            assert!(file(&repairs, "repair", gate, false).is_err(), "{gate}");
        }
    }
}
