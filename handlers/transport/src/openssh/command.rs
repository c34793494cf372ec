//! The command line of `ssh`: nothing is asked, nothing is forwarded, nothing is shared, nothing is
//! learned.

use std::path::Path;

use super::OpenSsh;
use crate::{Error, SshTarget};

/// Whatever a configuration file says, this holds: the command line comes first (ssh_config(5)).
const FIXED: &[&str] = &[
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "IdentitiesOnly=yes",
    "PreferredAuthentications=publickey",
    "ConnectionAttempts=1",
    "ServerAliveCountMax=4",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "ControlMaster=no",
    "ControlPath=none",
    "RemoteCommand=none",
];

/// All words but the program, the log, the `--`, the host and the question. A bastion comes with
/// its own options.
pub(super) fn options(
    how: &OpenSsh,
    target: &SshTarget,
    alias: Option<&str>,
    bastion: Option<(&SshTarget, Vec<String>)>,
) -> Result<Vec<String>, Error> {
    let config = how.config.as_deref().map_or(Ok("/dev/null"), plain)?;
    let mut words: Vec<String> =
        ["-F", config, "-n", "-T", "-p", &target.port.to_string(), "-l", &target.user, "-i"]
            .map(str::to_owned)
            .to_vec();
    words.push(plain(&target.key)?.into());
    let mut option = |text: String| words.extend(["-o".to_owned(), text]);
    FIXED.iter().for_each(|fixed| option((*fixed).to_owned()));
    if how.config.is_none() || !target.known_hosts.is_empty() {
        let files =
            target.known_hosts.iter().map(|file| plain(file)).collect::<Result<Vec<_>, _>>()?;
        let files: Vec<_> = files.into_iter().map(|file| format!("\"{file}\"")).collect();
        option(format!(
            "UserKnownHostsFile={}",
            if files.is_empty() { "/dev/null".into() } else { files.join(" ") }
        ));
    }
    option(format!("ServerAliveInterval={}", target.keepalive.as_secs().max(2)));
    if let Some(alias) = alias {
        if alias.contains(['"', '\\']) {
            let shown = crate::text::clean(alias);
            return Err(Error::BadTarget {
                what: "host name",
                shown,
                why: "it holds a quote, and ssh cannot look it up",
            });
        }
        option(format!("HostKeyAlias=\"{alias}\""));
    }
    match &target.agent_socket {
        _ if !target.agent => option("IdentityAgent=none".into()),
        Some(socket) => option(format!("IdentityAgent=\"{}\"", plain(socket)?)),
        None => option("IdentityAgent=SSH_AUTH_SOCK".into()),
    }
    if let Some((bastion, words)) = bastion {
        option(format!("ProxyCommand={}", proxy_command(how, target, bastion, words)?));
    }
    Ok(words)
}

/// `ssh -W` by way of the bastion. ssh has a shell exec it, after expanding '%'.
fn proxy_command(
    how: &OpenSsh,
    target: &SshTarget,
    bastion: &SshTarget,
    words: Vec<String>,
) -> Result<String, Error> {
    let mut argv = vec![plain(&how.program)?.to_owned()];
    argv.extend(words);
    argv.extend(["-o", "LogLevel=ERROR", "-o", "PermitLocalCommand=no"].map(str::to_owned));
    argv.extend(["-W".into(), format!("[{}]:{}", target.address, target.port)]);
    argv.extend(["--".into(), bastion.address.clone()]);
    let quoted: Vec<_> = argv
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''").replace('%', "%%")))
        .collect();
    Ok(quoted.join(" "))
}

/// A path that means itself: ssh expands '%', '~' and '${' in many options, and splits at blanks
/// and quotes in some.
fn plain(path: &Path) -> Result<&str, Error> {
    let bad = |why| Error::BadTarget {
        what: "path",
        shown: crate::text::clean(&path.display().to_string()),
        why,
    };
    let text = path.to_str().ok_or_else(|| bad("ssh needs it in UTF-8"))?;
    if !text.starts_with('/') {
        return Err(bad("it must be absolute"));
    }
    if text.contains(|c: char| c.is_control() || matches!(c, '%' | '~' | '$' | '"' | '\'' | '\\')) {
        return Err(bad("it holds a character that ssh expands"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> SshTarget {
        SshTarget::new(
            "web1",
            "fe80::1%eth0",
            "repair",
            "/etc/k y".into(),
            vec!["/a b".into(), "/c".into()],
        )
    }

    #[test]
    fn files_keep_their_blanks_and_nothing_else_is_expanded() {
        let words = options(&OpenSsh::default(), &target(), Some("web1"), None).unwrap();
        assert!(
            words.contains(&"/etc/k y".into())
                && words.contains(&"UserKnownHostsFile=\"/a b\" \"/c\"".into()),
            "{words:?}"
        );
        assert!(
            words.contains(&"HostKeyAlias=\"web1\"".into())
                && words.contains(&"IdentityAgent=none".into())
        );
        for bad in ["relative", "/a%h", "/a${HOME}", "/a\"b", "/a\nb", "/~x"] {
            let target = SshTarget { key: bad.into(), ..target() };
            assert_eq!(
                options(&OpenSsh::default(), &target, None, None).unwrap_err().code(),
                "bad-target",
                "{bad}"
            );
        }
    }

    #[test]
    fn the_bastions_command_is_quoted_for_the_shell_and_for_ssh() {
        let bastion = SshTarget { via: None, ..target() };
        let words = vec!["it's".into(), "100%".into()];
        let command = proxy_command(&OpenSsh::default(), &target(), &bastion, words).unwrap();
        assert!(command.starts_with(r"'/usr/bin/ssh' 'it'\''s' '100%%' "), "{command}");
        assert!(command.ends_with("'-W' '[fe80::1%%eth0]:22' '--' 'fe80::1%%eth0'"), "{command}");
    }
}
