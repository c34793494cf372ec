//! The repaired host's side in words: places, the line of its authorized_keys, and how the gate
//! gets there.

use std::path::Path;

use safe_file::Directory;

/// The longest public key, in bytes; one of RSA with 16384 bits has 2.8 KB.
const LONGEST: u64 = 16 << 10;

/// The gate on the host, as the package puts it.
pub const GATE: &str = "/usr/libexec/nagios-selfheal/repair_gate";

/// Where the gate keeps its records on the host; its account's own, mode 700.
pub const GATE_STATE: &str = "/var/lib/nagios-selfheal/gate";

/// What may be run on the host.
pub const REPAIRS: &str = "/etc/nagios-selfheal/repairs.json";

/// The file that stops all repairs on the host while it is there.
pub const HOLD: &str = "/etc/nagios-selfheal/hold";

/// The command that gives the host new host keys. The service is `ssh` on Debian.
pub const NEW_HOST_KEYS: &str = "rm -f /etc/ssh/ssh_host_*_key* && ssh-keygen -A && \
                                 { systemctl restart sshd || systemctl restart ssh; }";

/// The command that makes the sudoers file of repairs.json on the host, whole or not at all.
pub fn renew_sudoers() -> String {
    let file = "/etc/sudoers.d/nagios-selfheal";
    format!(
        "(umask 226 && {GATE} sudoers > {file}.new && visudo -cqf {file}.new && mv -f {file}.new \
         {file})"
    )
}

/// The line for the gate's account, with the public half of this private key.
pub fn key_line(private: &Path) -> String {
    format!(
        "restrict,command=\"{GATE}\" {}",
        public_half(private).unwrap_or_else(|| "ssh-ed25519 AAAA...".into())
    )
}

/// Type, base64 and comment, from the file beside the private key.
pub fn public_half(private: &Path) -> Option<String> {
    let public = private.with_added_extension("pub");
    let text = Directory::open(public.parent()?).ok()?.read(public.file_name()?, LONGEST).ok()?;
    let text = String::from_utf8(text).ok()?;
    let line = text.lines().next()?.trim();
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\'' | '"' | '\\' | '`' | '$');
    let words: Vec<&str> = line.split(' ').collect();
    (words.len() >= 2 && words.iter().all(|word| !word.is_empty() && word.chars().all(plain)))
        .then(|| line.to_owned())
}
