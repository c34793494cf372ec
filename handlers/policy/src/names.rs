//! Names that cross a trust boundary. Each name is checked when it is parsed, so a value of one of
//! these types is always valid.

use alloc::borrow::ToOwned;
use alloc::string::String;

use core::fmt;
use core::str::FromStr;

/// The name of a repair. It is the value of `_REPAIR` in the Nagios configuration, a key of
/// policy.json and of the gate's repairs.json, and a word of the SSH command.
///
/// It has 1 to 64 characters of `[A-Za-z0-9_-]` and starts with a letter or a digit, so it is safe
/// in shell commands and paths and is never mistaken for an option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepairName(String);

/// The ID of one job. A gate runs each job only once, so a repeated request is harmless. The ID has
/// 8 to 64 characters and otherwise follows the rules for a [`RepairName`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(String);

/// The error for a name that has the wrong length or contains a forbidden character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName {
    what: &'static str,
    given: String,
    least: usize,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.given.chars().take(64).flat_map(char::escape_default).collect();
        write!(
            f,
            "'{shown}' is not a {}: it must have {} to 64 letters, digits, '_' or '-', and begin \
             with a letter or a digit",
            self.what, self.least
        )
    }
}

impl core::error::Error for BadName {}

fn check(what: &'static str, least: usize, text: &str) -> Result<String, BadName> {
    let in_alphabet = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let valid_start = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if in_alphabet && valid_start && (least..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(BadName { what, given: text.to_owned(), least })
    }
}

impl FromStr for RepairName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<RepairName, BadName> {
        check("repair name", 1, text).map(RepairName)
    }
}

impl FromStr for JobId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<JobId, BadName> {
        check("job id", 8, text).map(JobId)
    }
}

macro_rules! is_text {
    ($name:ty) => {
        impl $name {
            /// Returns the name as a string slice.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

is_text!(RepairName);
is_text!(JobId);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn accepts_only_safe_characters_in_names() {
        for good in ["httpd", "power-cycle", "a", "X_1", &"a".repeat(64)] {
            assert!(good.parse::<RepairName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            "_x",
            "a b",
            "a;id",
            "../x",
            "a/b",
            "a.b",
            "a\n",
            "a\0",
            "é",
            "$NAME$",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<RepairName>().is_err(), "{bad:?}");
        }
        assert!("short".parse::<JobId>().is_err());
        assert!("20261123-4f3a9c2b".parse::<JobId>().is_ok());
    }

    #[test]
    fn escapes_control_characters_in_error_messages() {
        let refusal = "a\x1b[31m\n".parse::<RepairName>().unwrap_err().to_string();
        assert!(!refusal.contains(char::is_control), "{refusal}");
    }
}
