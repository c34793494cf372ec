//! The sudoers(5) file that lets the gate's account run exactly the commands of repairs.json, and
//! no others.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::RepairDefinitions;
use crate::ownership::shell_word;
use crate::rejection::{Rejection, RejectionReason};

const FILE: &str = "/etc/sudoers.d/nagios-selfheal";

/// Bytes of the gate's path. sudo-rs reads 1,024 of a command, which `config` counts on.
const LONGEST_GATE: usize = 100;

/// Returns the whole file, for the account `user` of the gate, which is at `gate`; `terminal` if
/// sudo wants a terminal from that account. The original sudo and sudo-rs read it alike.
///
/// # Errors
/// The gate's path could be read as another one.
pub(crate) fn file(
    repairs: &RepairDefinitions,
    user: &str,
    gate: &str,
    terminal: bool,
) -> Result<String, Rejection> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./+".contains(&b);
    if gate.len() > LONGEST_GATE || !gate.bytes().all(plain) {
        return Err(RejectionReason::Config.because(format!(
            "{gate} cannot stand in a sudoers file: install this program under a path of at most \
             {LONGEST_GATE} letters, digits and _-./+"
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
        "# Made by `repair_gate sudoers` from repairs.json. Make it again when that file \
         changes.\n",
    );
    // Old RHEL has requiretty on, and a forced command has no terminal. sudo-rs has no such option
    // and refuses a file with its name.
    if terminal {
        text.push_str(&format!("Defaults:{user} !requiretty\n"));
    }
    lines.into_iter().for_each(|line| text.extend([line.as_str(), "\n"]));
    Ok(text)
}

/// Returns root's command that makes the file of `config`, whole or not at all: sudo(8) reads no
/// file with a dot in its name.
pub(crate) fn renewal(gate: &str, config: &Path) -> String {
    let (gate, config) = (shell_word(gate.as_ref()), shell_word(config));
    format!(
        "(umask 226 && {gate} --config {config} sudoers > {FILE}.new && visudo -cqf {FILE}.new && \
         mv -f {FILE}.new {FILE})"
    )
}

/// sudoers(5): in arguments `,`, `:`, `=` and `\` are escaped with a backslash. `config` lets no
/// other character through that has a meaning there, to the original sudo or to sudo-rs.
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
    fn every_command_is_there_whole_and_escaped() {
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
    fn refuses_a_path_of_the_gate_that_stands_for_others() {
        let repairs = parse(r#"{"repairs": {}}"#).unwrap();
        for gate in ["/opt/my gate", "/opt/*/gate", "/opt/[ab]/gate", "/opt/a,b", &"/a".repeat(51)]
        {
            assert!(file(&repairs, "repair", gate, false).is_err(), "{gate}");
        }
    }
}
