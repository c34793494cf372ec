//! The script that sets up a repaired host. An admin reads and pastes the script, or init passes it
//! to `sudo sh` over the admin's own ssh login. The text is a fixed template. All inserted values
//! are safe: checked names, a public key, JSON that init writes, and base64. All functions are
//! pure.

use base64ct::{Base64, Encoding};

use crate::gate_setup::{GATE, REPAIRS};

/// How the gate gets to the host.
pub enum GateSource<'a> {
    /// The admin has already copied the gate to the host.
    Copied,
    /// The script contains the gate.
    Inside(&'a [u8]),
    /// Like `Inside`, but for a script that is only shown to the admin: instead of the gate, it
    /// contains the gate's size.
    Elided(&'a [u8]),
}

/// What the script does with the host's repairs.json.
pub enum RepairsFile {
    /// Writes this text. Keeps an existing file, unless it is the file from the package, which
    /// contains no repairs.
    New(String),
    /// Leaves the file unchanged.
    Kept,
    /// Adds repairs, unless the file has changed since init read it.
    Merged {
        /// Output of cksum(1) for the file that init read.
        sum: String,
        /// The complete new content of repairs.json.
        text: String,
        /// Only the added lines, which init shows to the admin.
        added: String,
    },
}

/// The script with the placeholders `INSERT_GATE`, `INSERT_HELPER`, `INSERT_REPAIRS` and
/// `KEY_LINE`.
const TEMPLATE: &str = include_str!("host.sh");
/// The program that generates the sudoers file from repairs.json. The script installs and runs this
/// program, and an admin must run it again after every change to repairs.json.
const HELPER: &str = include_str!("../../../../packaging/gate/repair-gate-sudoers");

/// Returns the complete script. `key_line` must not contain single quotes.
pub fn text(source: &GateSource<'_>, key_line: &str, repairs: &RepairsFile) -> String {
    // Fill in the last placeholder first, so that inserted text is never searched for placeholders.
    let script = TEMPLATE.replace("KEY_LINE", key_line);
    let script = script.replacen("# INSERT_REPAIRS\n", &repairs_part(repairs), 1);
    let script = script.replacen("# INSERT_HELPER\n", HELPER, 1);
    script.replacen("# INSERT_GATE\n", &gate(source), 1)
}

fn repairs_part(repairs: &RepairsFile) -> String {
    // No line of the JSON can equal `END_OF_REPAIRS`, so the JSON cannot end the here-document
    // early.
    let write = |text: &str| {
        let text = text.trim_end();
        format!(
            "cat > {REPAIRS}.new <<'END_OF_REPAIRS'\n{text}\nEND_OF_REPAIRS\n\
                 mv {REPAIRS}.new {REPAIRS}\n"
        )
    };
    match repairs {
        RepairsFile::Kept => format!("say '{REPAIRS} already exists'\n"),
        // Replace a file that is still as the package installed it, because it contains no repairs.
        RepairsFile::New(text) => format!(
            "if [ -e {REPAIRS} ] && ! grep -qxF '{{\"repairs\": {{}}}}' {REPAIRS}; then\n    \
             say '{REPAIRS} already exists'\nelse\n{}fi\n",
            write(text)
        ),
        RepairsFile::Merged { sum, text, .. } => format!(
            "[ \"$(cksum < {REPAIRS})\" = '{sum}' ] || {{ echo '{REPAIRS} has changed since init \
             read it; run init again' >&2; exit 1; }}\n{}say '{REPAIRS}, with added repairs'\n",
            write(text)
        ),
    }
}

fn gate(source: &GateSource<'_>) -> String {
    match source {
        GateSource::Copied => format!(
            "# The gate, which you have copied to this host.\n\
             [ -x {GATE} ] || {{ echo '{GATE} is missing' >&2; exit 1; }}\n"
        ),
        GateSource::Inside(program) | GateSource::Elided(program) => {
            let size = program.len();
            let body = match source {
                GateSource::Elided(_) => {
                    format!("... this server's repair_gate: {size} bytes, in base64 ...\n")
                }
                _ => base64_lines(program),
            };
            format!(
                "# The gate is one static program. Install it only if it is not there yet.\n\
                 if [ -e {GATE} ]; then say '{GATE} already exists'; else\n\
                 base64 -d > {GATE}.new <<'END_OF_GATE'\n\
                 {body}END_OF_GATE\n\
                 [ \"$(wc -c < {GATE}.new)\" -eq {size} ] || {{ echo '{GATE} was not transferred \
                 completely; run init again' >&2; exit 1; }}\n\
                 chmod 755 {GATE}.new\n\
                 mv {GATE}.new {GATE}\n\
                 say '{GATE}'\n\
                 fi\n"
            )
        }
    }
}

/// Encodes bytes as base64 in lines of 76 characters, which every decoder accepts (RFC 2045, 6.8).
fn base64_lines(bytes: &[u8]) -> String {
    // 57 bytes make a line of 76 characters.
    bytes.chunks(57).map(|line| Base64::encode_string(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> RepairsFile {
        RepairsFile::New("{}\n".into())
    }

    #[test]
    fn contains_the_gate_or_its_size() {
        let program: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let with = text(&GateSource::Inside(&program), "restrict ssh-ed25519 AAAA", &new());
        let body =
            with.split("END_OF_GATE'\n").nth(1).unwrap().split("END_OF_GATE").next().unwrap();
        let joined: String = body.lines().collect();
        assert_eq!(Base64::decode_vec(&joined).unwrap(), program);
        let told = text(&GateSource::Elided(&program), "restrict ssh-ed25519 AAAA", &new());
        assert!(told.contains("1000 bytes, in base64") && told.len() < with.len());
        assert_eq!(with.matches("restrict ssh-ed25519 AAAA").count(), 2);
    }

    #[test]
    fn produces_valid_shell() {
        let merged = RepairsFile::Merged {
            sum: "1 2".into(),
            text: "{\"repairs\": {\"it's\": {}}}\n".into(),
            added: String::new(),
        };
        for repairs in [new(), RepairsFile::Kept, merged] {
            for source in [GateSource::Copied, GateSource::Inside(b"x"), GateSource::Elided(b"x")] {
                let line = "restrict,command=\"/x\" ssh-ed25519 AAAA nagios-selfheal";
                let script = text(&source, line, &repairs);
                let mut shell = std::process::Command::new("/bin/sh");
                let shell = shell.arg("-n").stdin(std::process::Stdio::piped()).spawn();
                let mut shell = shell.unwrap();
                std::io::Write::write_all(&mut shell.stdin.take().unwrap(), script.as_bytes())
                    .unwrap();
                assert!(shell.wait().unwrap().success(), "{script}");
            }
        }
    }
}
