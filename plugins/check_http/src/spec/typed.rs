//! What several modules read of the command line in the same way.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::time::Duration;

use plugin_kit::{Problem, Range};

/// A whole number as scripts have always been allowed to write it: blanks around it, or nothing at
/// all, which is 0.
pub(crate) fn integer(text: &OsStr) -> Option<u64> {
    match text.to_str()?.trim() {
        "" => Some(0),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// A complaint in the words of the original: `what - value`.
pub(crate) fn usage(what: &str, value: &OsStr) -> Problem {
    Problem::Usage(format!("{what} - {}", value.to_string_lossy()))
}

/// A file cannot be used. Only a missing or forbidden one has words of old.
pub(crate) fn unreadable(why: &safe_file::Error, file: &OsStr) -> Problem {
    match why.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            usage("file does not exist or is not readable", file)
        }
        _ => Problem::Usage(why.to_string()),
    }
}

/// The time limit; a critical range that ends behind it moves it, or it could never be seen to be
/// passed.
pub(crate) fn timeout(
    text: Option<&OsStr>,
    critical: Option<Range>,
) -> Result<Option<Duration>, Problem> {
    let seconds = match text {
        None => 10,
        Some(text) => integer(text)
            .filter(|seconds| *seconds <= u64::from(u32::MAX))
            .ok_or_else(|| usage("Timeout interval must be a positive integer", text))?,
    };
    let end = critical
        .map(|range| range.end())
        .filter(|end| end.is_finite() && *end > seconds as f64 && *end < 1e9);
    let seconds = end.map_or(seconds, |end| end as u64 + 1);
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}
