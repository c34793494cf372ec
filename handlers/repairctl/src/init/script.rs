//! What is done on the repaired host, as one script: to be read, pasted, or given to `sudo sh` over
//! an admin's own ssh. Its text is fixed; what is filled in was checked: names, a public key, JSON
//! of ours, base64. Pure.

use std::fmt::Write;

use crate::gate_setup::GATE;

/// Where the gate comes from.
pub enum GateSource<'a> {
    /// Somebody has copied it there before.
    Copied,
    /// It comes along with the script.
    Inside(&'a [u8]),
    /// As `Inside`, but only told: for people who read the script first.
    Elided(&'a [u8]),
}

/// The whole script. `key_line` and `repairs` hold no quote.
pub fn text(source: &GateSource<'_>, key_line: &str, repairs: &str) -> String {
    let mut text = BEGIN.to_owned();
    text.push_str(&gate(source));
    let _ = write!(text, "{REPAIRS}{repairs}END_OF_REPAIRS\nfi\n{SUDO}");
    text + &KEY.replace("KEY_LINE", key_line)
}

const BEGIN: &str = r#"set -eu
umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "  $*"; }

# The unprivileged account of the gate. No password fits '*'. One that is a person's is not made the gate's.
lib=/var/lib/nagios-selfheal
least=$(sed -n 's/^UID_MIN[[:space:]]*//p' /etc/login.defs 2>/dev/null) || :
home=$(getent passwd repair | cut -d: -f6)
if [ -n "$home" ] && [ "$home" != $lib/home ] && [ "$(id -u repair)" -ge "${least:-1000}" ]; then
    echo "the account 'repair' (home $home) is here already and seems to be a person's. Give it another name:" >&2
    echo "usermod --login NEW repair. Or, if it is for the gate alone: usermod --home $lib/home repair" >&2; exit 1
fi
id repair >/dev/null 2>&1 || useradd --system --create-home --shell /bin/sh --password '*' repair
if [ -e $lib ] && [ "$(stat -c %u $lib)" != 0 ]; then
    echo "$lib is not root's. Is this the Nagios server itself? Then see 'The repaired host' in README." >&2; exit 1
fi
install -d -o root -g root -m 755 /etc/nagios-selfheal /usr/libexec/nagios-selfheal $lib
install -d -o repair -g repair -m 700 $lib/gate
say "account repair, and its directories"

"#;

fn gate(source: &GateSource<'_>) -> String {
    match source {
        GateSource::Copied => {
            format!(
                "# The gate, which you have copied there.\n[ -x {GATE} ] || {{ echo '{GATE} is \
                missing' >&2; exit 1; }}\n\n"
            )
        }
        GateSource::Inside(program) | GateSource::Elided(program) => {
            let size = program.len();
            let body = match source {
                GateSource::Elided(_) => {
                    format!("... repair_gate of this server: {size} bytes, in base64 ...\n")
                }
                _ => lines(program),
            };
            format!(
                "# The gate: one static program, copied unless one is there.\nif [ -e {GATE} ]; \
                then say '{GATE} was there already'; else\n\
                 base64 -d > {GATE}.new <<'END_OF_GATE'\n{body}END_OF_GATE\n\
                 [ \"$(wc -c < {GATE}.new)\" -eq {size} ] || {{ echo 'the gate did not arrive \
                                            whole' >&2; exit 1; }}\n\
                 chmod 755 {GATE}.new\nmv {GATE}.new {GATE}\nsay '{GATE}'\nfi\n\n"
            )
        }
    }
}

const REPAIRS: &str = r#"# What may be run here, and it is all that can be. The package's file names nothing and makes route.
if [ -e /etc/nagios-selfheal/repairs.json ] && ! grep -qxF '{"repairs": {}}' /etc/nagios-selfheal/repairs.json; then
    say "/etc/nagios-selfheal/repairs.json was there already"
else
cat > /etc/nagios-selfheal/repairs.json <<'END_OF_REPAIRS'
"#;

const SUDO: &str = r#"/usr/libexec/nagios-selfheal/repair_gate check

# Exactly those commands, for exactly that account.
file=/etc/sudoers.d/nagios-selfheal
if [ -e $file ] && ! grep -q '^# Made by `repair_gate sudoers`' $file; then
    echo "$file was written by somebody: move it to another name" >&2; exit 1
fi
new=/etc/sudoers.d/.nagios-selfheal.new
/usr/libexec/nagios-selfheal/repair_gate sudoers > $new
chmod 440 $new
visudo -cqf $new
mv $new $file
visudo -cq
say "$file"

"#;

const KEY: &str = r#"# The Nagios server's key, which opens nothing but the gate.
home=$(getent passwd repair | cut -d: -f6)
[ -d "$home" ] || { echo "the account repair has no home $home: make it, root's, mode 755" >&2; exit 1; }
write='umask 027
[ -d "$HOME/.ssh" ] || mkdir -m 750 "$HOME/.ssh"
read -r line
grep -sqxF "$line" "$HOME/.ssh/authorized_keys" || echo "$line" >> "$HOME/.ssh/authorized_keys"'
if [ "$(stat -c %u "$home")" = 0 ] && { [ ! -e "$home/.ssh" ] || [ "$(stat -c %u "$home/.ssh")" = 0 ]; }; then
    # Root's, as the package makes it, so that the account can read its keys and not change them.
    echo 'KEY_LINE' | HOME=$home sh -c "$write"
    chgrp repair "$home/.ssh" "$home/.ssh/authorized_keys"
else
    # Its own: it writes there itself, for root would follow the links that it can have put there.
    echo 'KEY_LINE' | su -s /bin/sh repair -c "$write"
fi
keys=$home/.ssh/authorized_keys
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home/.ssh" /etc/nagios-selfheal /usr/libexec/nagios-selfheal || :; fi
say "$keys"
say "done; the key of this host is"
ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
"#;

/// Base64 in lines that every decoder takes (RFC 2045, 6.8).
fn lines(bytes: &[u8]) -> String {
    let whole = <base64ct::Base64 as base64ct::Encoding>::encode_string(bytes);
    let mut text = String::with_capacity(whole.len() + whole.len() / 76 + 1);
    let mut rest = whole.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(76));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_in_it_whole_or_told() {
        let program: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let with = text(&GateSource::Inside(&program), "restrict ssh-ed25519 AAAA", "{}\n");
        let body =
            with.split("END_OF_GATE'\n").nth(1).unwrap().split("END_OF_GATE").next().unwrap();
        let joined: String = body.lines().collect();
        assert_eq!(<base64ct::Base64 as base64ct::Encoding>::decode_vec(&joined).unwrap(), program);
        let told = text(&GateSource::Elided(&program), "restrict ssh-ed25519 AAAA", "{}\n");
        assert!(told.contains("1000 bytes, in base64") && told.len() < with.len());
        assert_eq!(with.matches("restrict ssh-ed25519 AAAA").count(), 2);
    }

    #[test]
    fn a_shell_can_read_it() {
        for source in [GateSource::Copied, GateSource::Inside(b"x"), GateSource::Elided(b"x")] {
            let script =
                text(&source, "restrict,command=\"/x\" ssh-ed25519 AAAA nagios-selfheal", "{}\n");
            let mut shell = std::process::Command::new("/bin/sh");
            let mut shell = shell.arg("-n").stdin(std::process::Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut shell.stdin.take().unwrap(), script.as_bytes()).unwrap();
            assert!(shell.wait().unwrap().success(), "{script}");
        }
    }
}
