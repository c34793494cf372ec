//! Implements `--extra-opts=[SECTION][@FILE]`, which inserts options from an ini file before the
//! command line. Options on the command line come later and therefore take precedence.
//!
//! The file format and the search path are the same as in monitoring-plugins, as observed by
//! running its plugins.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use plugin_kit::Problem;
use safe_file::{Error, Input};

use crate::spec::secrets::READ_ONCE;
use crate::text;

const OPTION: &[u8] = b"--extra-opts";
const DEFAULT_SECTION: &str = "check_http";
const STANDARD_PATHS: [&str; 11] = [
    "/usr/local/etc/monitoring-plugins/monitoring-plugins.ini",
    "/usr/local/etc/monitoring-plugins.ini",
    "/etc/monitoring-plugins/monitoring-plugins.ini",
    "/etc/monitoring-plugins.ini",
    "/etc/nagios/plugins.ini",
    "/usr/local/nagios/etc/plugins.ini",
    "/usr/local/etc/nagios/plugins.ini",
    "/etc/opt/nagios/plugins.ini",
    "/etc/nagios-plugins.ini",
    "/usr/local/etc/nagios-plugins.ini",
    "/etc/opt/nagios-plugins.ini",
];
const FILE_NAMES: [&str; 3] = ["monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini"];
/// Maximum size of an ini file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Replaces every --extra-opts with the options from its file. `takes_value` returns whether a long
/// option takes a value. `deadline` returns when the run must end; its argument is the command line
/// without any --extra-opts.
pub fn expand(
    argv: &[OsString],
    takes_value: impl Fn(&str) -> bool,
    deadline: impl Fn(&[OsString]) -> Option<Instant>,
) -> Result<Vec<OsString>, Problem> {
    let mut files = Vec::new();
    let mut line = Vec::new();
    let mut words = argv.iter().peekable();
    while let Some(word) = words.next() {
        match word.as_bytes().strip_prefix(OPTION) {
            Some(b"") => {
                let next = words.next_if(|next| !next.as_bytes().starts_with(b"-"));
                files.push(next.map_or(&[][..], |next| next.as_bytes()));
            }
            Some([b'=', which @ ..]) => files.push(which),
            _ => line.push(word.clone()),
        }
    }
    if files.is_empty() {
        return Ok(line);
    }
    let deadline = deadline(&line);
    let mut options = Vec::new();
    for which in files {
        options.extend(load(which, &takes_value, deadline)?);
    }
    options.append(&mut line);
    Ok(options)
}

fn load(
    which: &[u8],
    takes_value: &impl Fn(&str) -> bool,
    deadline: Option<Instant>,
) -> Result<Vec<OsString>, Problem> {
    let at = which.iter().position(|byte| *byte == b'@').unwrap_or(which.len());
    let (section, file) = which.split_at(at);
    let section = if section.is_empty() { DEFAULT_SECTION.into() } else { text::decode(section) };
    let path = match file.strip_prefix(b"@") {
        None | Some(b"") => standard_file()?,
        Some(name) => PathBuf::from(OsStr::from_bytes(name)),
    };
    let content = read(&path, deadline).map_err(|why| {
        Problem::Usage(format!("Can't read config file: {}", text::file_error(&why)))
    })?;
    if content.is_empty() {
        // The content is also empty if the file is a pipe that check_http read before it executed
        // check_http_openssl.
        return Err(Problem::Usage(format!(
            "Config file '{}' is empty ({READ_ONCE})",
            path.display()
        )));
    }
    let options = section_of(&content, &section, takes_value).map_err(|line| {
        Problem::Usage(format!("Config file error: line {line} of '{}'", path.display()))
    })?;
    options.ok_or_else(|| {
        Problem::Usage(format!("Invalid section '{section}' in config file '{}'", path.display()))
    })
}

fn read(path: &Path, deadline: Option<Instant>) -> Result<Vec<u8>, Error> {
    let input = if path == Path::new("-") {
        Input::stdin(MAX_FILE, deadline)?
    } else {
        Input::open(path, MAX_FILE, deadline)?
    };
    input.read_all()
}

fn standard_file() -> Result<PathBuf, Problem> {
    if let Some(file) = std::env::var_os("MP_CONFIG_FILE") {
        return Ok(file.into());
    }
    let folders = std::env::var_os("NAGIOS_CONFIG_PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&folders).flat_map(|folder| FILE_NAMES.map(|name| folder.join(name)));
    let standard = STANDARD_PATHS.iter().map(PathBuf::from);
    folders
        .chain(standard)
        .find(|path| path.exists())
        .ok_or_else(|| Problem::Usage("Cannot find config file in any standard location.".into()))
}

/// Returns the options from all sections with the name `wanted`, or `None` if there is no such
/// section. If a line is invalid, the error holds its line number.
fn section_of(
    content: &[u8],
    wanted: &str,
    takes_value: &impl Fn(&str) -> bool,
) -> Result<Option<Vec<OsString>>, usize> {
    let mut found: Option<Vec<OsString>> = None;
    let mut inside = false;
    let mut any_section = false;
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        match line.trim_ascii() {
            [] | [b'#' | b';', ..] => {}
            [b'[', line @ ..] => {
                any_section = true;
                let (name, after) =
                    line.split_at(line.iter().position(|byte| *byte == b']').unwrap_or(line.len()));
                inside = name.trim_ascii() == wanted.as_bytes() && !after.is_empty();
                if inside
                    && !matches!(
                        after.get(1..).unwrap_or_default().trim_ascii(),
                        [] | [b'#' | b';', ..]
                    )
                {
                    return Err(number + 1);
                }
                if inside {
                    found.get_or_insert_default();
                }
            }
            // Skip lines in other sections without validating them. These sections may belong to
            // other programs.
            _ if any_section && !inside => {}
            line => {
                let equals = line.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
                let (key, value) = line.split_at(equals.ok_or(number + 1)?);
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                let options = found.as_mut().ok_or(number + 1)?;
                options.push(option(key.trim_ascii_end(), value, takes_value));
            }
        }
    }
    Ok(found)
}

/// Converts `key=value` from an ini file to a command line word. The value is empty for a flag.
fn option(key: &[u8], value: &[u8], takes_value: &impl Fn(&str) -> bool) -> OsString {
    let word = match key {
        [letter] => [b"-", &[*letter][..], value].concat(),
        _ if value.is_empty() && !takes_value(&text::decode(key)) => [b"--", key].concat(),
        _ => [b"--", key, b"=", value].concat(),
    };
    OsString::from_vec(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(content: &str) -> Result<Option<Vec<String>>, usize> {
        let read = section_of(content.as_bytes(), "check_http", &|key| key == "url")?;
        Ok(read.map(|words| words.iter().map(|word| word.to_string_lossy().into_owned()).collect()))
    }

    #[test]
    fn converts_a_section_to_words() {
        let content = "# all\n[other]\nport=1\n[check_http]\n url = /a b \nsni=\nurl=\n\
                       S=1.2+\n;end\n[ check_http ]\r\nk=A: b\r\n";
        let words =
            ["--url=/a b", "--sni", "--url=", "-S1.2+", "-kA: b"].map(str::to_owned).to_vec();
        assert_eq!(section(content), Ok(Some(words)));
    }

    #[test]
    fn ignores_sections_for_other_programs() {
        let words =
            |words: &[&str]| Ok(Some(words.iter().map(|word| (*word).to_owned()).collect()));
        assert_eq!(
            section("[b]x\nfoo\n=\n[check_http] # ours\nurl=/x\n[c\nsni=\n"),
            words(&["--url=/x"])
        );
        assert_eq!(section("[check_http];\n[b]\nurl=/b\n[check_http]\nsni=\n"), words(&["--sni"]));
        assert_eq!(section("[check_http]\n"), words(&[]));
        assert_eq!(section("[check_http\nurl=/x\n"), Ok(None));
    }

    #[test]
    fn rejects_invalid_files() {
        assert_eq!(section("[other]\n"), Ok(None));
        assert_eq!(section("[check_http]\nsni\n"), Err(2));
        assert_eq!(section("a=b\n[check_http]\n"), Err(1));
        assert_eq!(section("[check_http]x\n"), Err(1));
        assert_eq!(section("[check_http]\n=x\n"), Err(2));
    }

    #[test]
    fn inserts_options_from_the_file_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.ini");
        std::fs::write(&file, "[check_http]\nurl=/ini\n[b]\nurl=/b\n").unwrap();
        let argv = |first: &str| ["-u", "/line", first].map(OsString::from);
        let expanded =
            expand(&argv(&format!("--extra-opts=@{}", file.display())), |_| true, |_| None)
                .unwrap();
        assert_eq!(expanded, ["--url=/ini", "-u", "/line"]);
        let expanded =
            expand(&argv(&format!("--extra-opts=b@{}", file.display())), |_| true, |_| None)
                .unwrap();
        assert_eq!(expanded, ["--url=/b", "-u", "/line"]);
        let refused = expand(&argv("--extra-opts=@/no/such/file"), |_| true, |_| None)
            .map_err(|problem| problem.to_string());
        assert_eq!(refused, Err("Can't read config file: No such file or directory".into()));
    }
}
