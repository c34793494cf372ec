//! Reads secrets from files, so that they do not appear in the process list.
//!
//! An empty file is an error, because no check should run without its secrets. A file can appear
//! empty because it is a pipe that check_http read before it executed check_http_openssl.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use plugin_kit::Problem;
use safe_file::Input;

use super::parse::unusable;

/// Maximum size of a file with secrets, in bytes.
const MAX_SECRETS: u64 = 1 << 20;
/// Hint in error messages about an empty file, which may be a pipe that was already read.
pub const READ_ONCE: &str = "a pipe can be read only once";
/// Permission for users who are neither the owner of a file nor in its group to read it.
const OTHERS_READ: u32 = 0o4;

/// Returns `user:password` as typed or from the first line of a file. Error messages never contain
/// these credentials.
pub fn credentials(
    typed: Option<OsString>,
    file: Option<OsString>,
    deadline: Option<Instant>,
) -> Result<Option<Vec<u8>>, Problem> {
    let Some(file) = file else {
        return Ok(typed.map(OsString::into_vec).filter(|pair| !pair.is_empty()));
    };
    let content =
        safe_file::read(&file, MAX_SECRETS, deadline).map_err(|why| unusable(&file, &why))?;
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    if line.is_empty() {
        let file = file.to_string_lossy();
        return Err(Problem::Usage(format!("the first line of {file} is empty ({READ_ONCE})")));
    }
    Ok(Some(line.to_vec()))
}

/// Opens a file with secrets. A regular file that other users can read is an error, because the
/// secrets in it are not protected.
pub fn open(file: &OsStr, deadline: Option<Instant>) -> Result<Input, Problem> {
    let input = Input::open(file, MAX_SECRETS, deadline).map_err(|why| unusable(file, &why))?;
    let readable = input
        .metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & OTHERS_READ != 0);
    if readable {
        let file = file.to_string_lossy();
        return Err(Problem::Usage(format!(
            "{file}: other users can read this file; run chmod o-r {file}"
        )));
    }
    Ok(input)
}

/// Reads header lines from a file. Skips empty lines. Error messages never contain text from the
/// file.
pub fn header_lines(file: &OsStr, deadline: Option<Instant>) -> Result<Vec<Vec<u8>>, Problem> {
    let content = open(file, deadline)?.read_all().map_err(|why| unusable(file, &why))?;
    let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let is_header = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        !name.is_empty()
            && name.len() < line.len()
            && !line.iter().any(u8::is_ascii_control)
            && !name.iter().any(u8::is_ascii_whitespace)
    };
    let mut headers = Vec::new();
    for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.is_empty()) {
        let wrong = if !is_header(line) {
            "not a header line; write NAME: VALUE"
        } else if line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:")) {
            "the Host header is not a secret; use -k"
        } else {
            headers.push(line.to_owned());
            continue;
        };
        return Err(Problem::Usage(format!("{}:{number}: {wrong}", file.to_string_lossy())));
    }
    if headers.is_empty() {
        return Err(Problem::Usage(format!("{} is empty ({READ_ONCE})", file.to_string_lossy())));
    }
    Ok(headers)
}
