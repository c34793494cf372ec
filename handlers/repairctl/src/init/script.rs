//! The script that sets up the repaired host: to be read, pasted, or given to `sudo sh` over an
//! admin's own ssh. Its text is fixed; everything that is filled in was checked: names, a public
//! key, our own JSON, base64. Pure.

use base64ct::{Base64, Encoding};

use crate::gate_setup::{GATE, REPAIRS};

/// The source of the gate.
pub enum GateSource<'a> {
    /// An admin has copied it to the host.
    Copied,
    /// The script contains it.
    Inside(&'a [u8]),
    /// As `Inside`, but only its size is printed, for people who read the script first.
    Elided(&'a [u8]),
}

/// What becomes of the host's repairs.json.
pub enum RepairsFile {
    /// It is this text, unless somebody has written one.
    New(String),
    /// It stays as it is.
    Kept,
    /// It gets more repairs, if it still is the file that was read.
    Merged {
        /// What cksum(1) printed of it.
        sum: String,
        /// The text it gets.
        text: String,
        /// The lines that are new, for people.
        added: String,
    },
}

/// The script, with `THE_GATE`, `THE_HELPER`, `THE_REPAIRS` and `KEY_LINE` to be filled in.
const TEMPLATE: &str = include_str!("host.sh");
/// Makes the sudoers file of repairs.json, at the end of this script and after every change.
const HELPER: &str = include_str!("../../../../packaging/gate/repair-gate-sudoers");

/// Returns the whole script. `key_line` holds no quote.
pub fn text(source: &GateSource<'_>, key_line: &str, repairs: &RepairsFile) -> String {
    // From the end of the script to its beginning, so no text that was filled in is searched.
    let script = TEMPLATE.replace("KEY_LINE", key_line);
    let script = script.replacen("# THE_REPAIRS\n", &repairs_part(repairs), 1);
    let script = script.replacen("# THE_HELPER\n", HELPER, 1);
    script.replacen("# THE_GATE\n", &gate(source), 1)
}

fn repairs_part(repairs: &RepairsFile) -> String {
    // No line of JSON can be the end of a here-document.
    let write = |text: &str| {
        let text = text.trim_end();
        format!(
            "cat > {REPAIRS}.new <<'END_OF_REPAIRS'\n{text}\nEND_OF_REPAIRS\n\
                 mv {REPAIRS}.new {REPAIRS}\n"
        )
    };
    match repairs {
        RepairsFile::Kept => format!("say '{REPAIRS} was there already'\n"),
        // The package's file names nothing and makes room.
        RepairsFile::New(text) => format!(
            "if [ -e {REPAIRS} ] && ! grep -qxF '{{\"repairs\": {{}}}}' {REPAIRS}; then\n    \
             say '{REPAIRS} was there already'\nelse\n{}fi\n",
            write(text)
        ),
        RepairsFile::Merged { sum, text, .. } => format!(
            "[ \"$(cksum < {REPAIRS})\" = '{sum}' ] || {{ echo '{REPAIRS} has changed meanwhile' \
             >&2; exit 1; }}\n{}say '{REPAIRS} has more repairs'\n",
            write(text)
        ),
    }
}

fn gate(source: &GateSource<'_>) -> String {
    match source {
        GateSource::Copied => format!(
            "# The gate, which you have copied there.\n\
             [ -x {GATE} ] || {{ echo '{GATE} is missing' >&2; exit 1; }}\n\n"
        ),
        GateSource::Inside(program) | GateSource::Elided(program) => {
            let size = program.len();
            let body = match source {
                GateSource::Elided(_) => {
                    format!("... repair_gate of this server: {size} bytes, in base64 ...\n")
                }
                _ => base64_lines(program),
            };
            format!(
                "# The gate: one static program, copied unless one is there.\n\
                 if [ -e {GATE} ]; then say '{GATE} was there already'; else\n\
                 base64 -d > {GATE}.new <<'END_OF_GATE'\n{body}END_OF_GATE\n\
                 [ \"$(wc -c < {GATE}.new)\" -eq {size} ] || \
                 {{ echo 'the gate did not arrive whole' >&2; exit 1; }}\n\
                 chmod 755 {GATE}.new\nmv {GATE}.new {GATE}\nsay '{GATE}'\nfi\n\n"
            )
        }
    }
}

/// Encodes in base64, with lines that every decoder accepts (RFC 2045, 6.8).
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
    fn is_valid_shell() {
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
