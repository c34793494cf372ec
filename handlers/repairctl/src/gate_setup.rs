//! What a repaired host needs: the paths of the gate's files, the line for authorized_keys, and the
//! commands that set up the host.

use std::path::Path;

use safe_file::Directory;

/// The maximum size of a public key file, in bytes. Even an RSA key of 16384 bits takes only 2.8
/// KB.
const LONGEST: u64 = 16 << 10;

/// Path of the gate on the host, as installed by the package.
pub const GATE: &str = "/usr/libexec/nagios-selfheal/repair_gate";

/// Directory for the gate's records on the host. It belongs to the gate's account and has mode 700.
pub const GATE_STATE: &str = "/var/lib/nagios-selfheal/gate";

/// Path of the file that lists the repairs a host allows.
pub const REPAIRS: &str = "/etc/nagios-selfheal/repairs.json";

/// Path of the hold file. While this file exists, the gate runs no repairs on the host.
pub const HOLD: &str = "/etc/nagios-selfheal/hold";

/// A command that generates new host keys on a host. It tries two unit names, because Debian calls
/// the SSH service `ssh` and other distributions call it `sshd`.
pub const NEW_HOST_KEYS: &str = "rm -f /etc/ssh/ssh_host_*_key* && ssh-keygen -A && \
                                 { systemctl restart sshd || systemctl restart ssh; }";

/// Returns the command that generates the host's sudoers file from repairs.json. The old file stays
/// in place until visudo has accepted the new one.
pub fn renew_sudoers() -> String {
    let file = "/etc/sudoers.d/nagios-selfheal";
    format!(
        "(umask 226 && {GATE} sudoers > {file}.new && visudo -cqf {file}.new && mv -f {file}.new \
         {file})"
    )
}

/// Returns the authorized_keys line for the gate's account. The line contains the public key that
/// belongs to the private key at `private`.
pub fn key_line(private: &Path) -> String {
    format!(
        "restrict,command=\"{GATE}\" {}",
        public_half(private).unwrap_or_else(|| "ssh-ed25519 AAAA...".into())
    )
}

/// Reads the public key from the `.pub` file next to a private key. The key consists of its type,
/// the base64 data and a comment.
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
