//! The sudoers(5) file that lets the gate's account run exactly the commands of repairs.json, and
//! no others.

use std::collections::BTreeSet;

use crate::config::RepairDefinitions;

/// Returns the whole file, for the account `user` of the gate, which is at `gate`.
pub(crate) fn file(repairs: &RepairDefinitions, user: &str, gate: &str) -> String {
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
    // Old RHEL had requiretty on, and a forced command has no terminal.
    text.push_str(&format!("Defaults:{user} !requiretty\n"));
    lines.into_iter().for_each(|line| text.extend([line.as_str(), "\n"]));
    text
}

/// sudoers(5): in arguments `,`, `:`, `=` and `\` are escaped with a backslash, and so are the
/// wildcards of fnmatch(3), which would otherwise stand for any argument. `config` lets no blank
/// and no backslash through.
fn escaped(words: &[String]) -> String {
    let mut text = String::new();
    for c in words.join(" ").chars() {
        if matches!(c, ',' | ':' | '=' | '*' | '?' | '[' | ']') {
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
                "web": {"run": ["/usr/sbin/x", "--set=a:b,c", "*"], "as": "root", "timeout": "2m",
                    "diagnose": [["/usr/bin/journalctl", "-n", "50"]]},
                "own": {"run": ["/bin/true"]},
                "mine": {"run": ["/bin/true"], "as": "repair"}}}"#,
        );
        assert_eq!(
            file(&repairs.unwrap(), "repair", "/usr/libexec/gate")
                .lines()
                .skip(1)
                .collect::<Vec<_>>(),
            [
                "Defaults:repair !requiretty",
                "repair ALL=(root) NOPASSWD: NOSETENV: /usr/libexec/gate within 10 2 \
                 /usr/bin/journalctl -n 50",
                "repair ALL=(root) NOPASSWD: NOSETENV: /usr/libexec/gate within 120 10 \
                 /usr/sbin/x --set\\=a\\:b\\,c \\*",
            ]
        );
    }
}
