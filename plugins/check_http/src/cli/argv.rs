//! The command line as getopt_long reads it, rewritten to the one form clap and we agree on:
//! `--long=value`, operands last.
//!
//! Existing command lines rely on getopt's habits: bundled flags, unique prefixes of long names, a
//! value in the next word whatever it looks like, an optional value only when attached. Knows
//! nothing of what the options mean.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What an option does with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A flag.
    Nothing,
    /// A value, attached or in the next word.
    Value,
    /// A value only when attached: `-S1.2`, `--ssl=1.2`.
    Attached,
}

/// One option: its letter, its long names (the first is the canonical one) and its value.
#[derive(Debug, Clone)]
pub struct Known {
    /// The letter of the short form.
    pub short: Option<char>,
    /// Long names, without dashes.
    pub long: Vec<String>,
    /// Whether it takes a value.
    pub takes: Takes,
}

/// Why the words are no command line; said as getopt says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArgument {
    /// A long option nobody knows, and what may be meant.
    #[error("unrecognized option '--{0}'{1}")]
    Unrecognized(String, String),
    /// A letter nobody knows.
    #[error("invalid option -- '{0}'")]
    Invalid(char),
    /// A prefix of several long options.
    #[error("option '--{0}' is ambiguous; possibilities:{1}")]
    Ambiguous(String, String),
    /// A flag with a value.
    #[error("option '--{0}' doesn't allow an argument")]
    NoValueAllowed(String),
    /// A long option at the end of the line, without its value.
    #[error("option '--{0}' requires an argument")]
    LongNeedsValue(String),
    /// The same for a letter.
    #[error("option requires an argument -- '{0}'")]
    ShortNeedsValue(char),
}

/// The long names of check_http 2.3.3, in the order its complaints list them. A prefix that is
/// unique among these keeps its meaning, whatever options came since.
const FIRST_NAMES: [&str; 42] = [
    "help",
    "version",
    "verbose",
    "link",
    "nohtml",
    "ssl",
    "sni",
    "post",
    "method",
    "IP-address",
    "url",
    "port",
    "authorization",
    "proxy-authorization",
    "hostname",
    "header-string",
    "string",
    "expect",
    "regex",
    "ereg",
    "eregi",
    "linespan",
    "onredirect",
    "critical",
    "warning",
    "timeout",
    "certificate",
    "client-cert",
    "private-key",
    "continue-after-certificate",
    "useragent",
    "header",
    "no-body",
    "max-age",
    "content-type",
    "pagesize",
    "invert-regex",
    "use-ipv4",
    "use-ipv6",
    "extended-perfdata",
    "show-body",
    "max-redirs",
];

/// Old spellings, rewritten wherever they stand as a whole word, even as the value of another
/// option.
const OLD_FORMS: [(&str, &str); 5] =
    [("-to", "-t"), ("-hn", "-H"), ("-wt", "-w"), ("-ct", "-c"), ("-nohtml", "-n")];

/// `argv` (without the program's name) as `--long=value` words in their order, then `--` and the
/// operands.
pub fn normalise(argv: &[OsString], known: &[Known]) -> Result<Vec<OsString>, BadArgument> {
    let mut options = Vec::new();
    let mut operands = vec![OsString::from("--")];
    let mut words = argv.iter().map(modern);
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"--" => operands.extend(words.by_ref()),
            [b'-', b'-', long @ ..] => options.push(long_option(long, &mut words, known)?),
            [b'-', letters @ ..] if !letters.is_empty() => {
                short_options(letters, &mut words, known, &mut options)?
            }
            _ => operands.push(word),
        }
    }
    options.append(&mut operands);
    Ok(options)
}

fn modern(word: &OsString) -> OsString {
    OLD_FORMS
        .iter()
        .find(|(old, _)| word == old)
        .map_or_else(|| word.clone(), |(_, new)| OsString::from(new))
}

fn long_option(
    word: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    known: &[Known],
) -> Result<OsString, BadArgument> {
    let equals = word.iter().position(|b| *b == b'=');
    let (name, value) = match equals.and_then(|at| word.split_at_checked(at)) {
        Some((name, rest)) => (name, Some(rest.get(1..).unwrap_or_default())),
        None => (word, None),
    };
    let name = String::from_utf8_lossy(name).into_owned();
    let (full, takes) = complete(&name, known)?;
    match (takes, value) {
        (Takes::Nothing, Some(_)) => Err(BadArgument::NoValueAllowed(full)),
        (Takes::Value, None) => match words.next() {
            Some(next) => Ok(option(&full, Some(next.as_bytes()))),
            None => Err(BadArgument::LongNeedsValue(full)),
        },
        (_, value) => Ok(option(&full, value)),
    }
}

/// The option a long name, or a unique prefix of one, stands for.
fn complete(name: &str, known: &[Known]) -> Result<(String, Takes), BadArgument> {
    let all = || {
        known.iter().flat_map(|option| option.long.iter().map(move |long| (long.as_str(), option)))
    };
    let chosen = |option: &Known| (option.long.first().cloned().unwrap_or_default(), option.takes);
    if let Some((_, option)) = all().find(|(long, _)| *long == name) {
        return Ok(chosen(option));
    }
    let first = FIRST_NAMES.iter().filter(|first| first.starts_with(name));
    let mut meant: Vec<_> =
        first.filter_map(|first| all().find(|(long, _)| long == first)).collect();
    if meant.is_empty() {
        meant = all().filter(|(long, _)| long.starts_with(name)).collect();
    }
    match meant.as_slice() {
        [] => Err(BadArgument::Unrecognized(name.to_owned(), alike(name, known))),
        [(_, option), rest @ ..] if rest.iter().all(|(_, other)| other.long == option.long) => {
            Ok(chosen(option))
        }
        several => {
            let names = several.iter().map(|(long, _)| format!(" '--{long}'")).collect();
            Err(BadArgument::Ambiguous(name.to_owned(), names))
        }
    }
}

/// The option that has the letters of `name`, without regard to case, dashes and underscores.
fn alike(name: &str, known: &[Known]) -> String {
    let letters = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let mut all = known.iter().flat_map(|option| &option.long);
    all.find(|long| letters(long) == letters(name))
        .map(|long| format!("; did you mean '--{long}'?"))
        .unwrap_or_default()
}

/// `-vkX`: flags, the last of which may take the rest, or the next word, as its value.
fn short_options(
    letters: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    known: &[Known],
    options: &mut Vec<OsString>,
) -> Result<(), BadArgument> {
    let mut rest = letters;
    while let [letter, after @ ..] = rest {
        let letter = char::from(*letter);
        let found = known
            .iter()
            .find(|option| option.short == Some(letter))
            .ok_or(BadArgument::Invalid(letter))?;
        let name = found.long.first().map_or("", String::as_str);
        match found.takes {
            Takes::Nothing => options.push(option(name, None)),
            Takes::Attached => {
                options.push(option(name, Some(after).filter(|value| !value.is_empty())))
            }
            Takes::Value if after.is_empty() => match words.next() {
                Some(next) => options.push(option(name, Some(next.as_bytes()))),
                None => return Err(BadArgument::ShortNeedsValue(letter)),
            },
            Takes::Value => options.push(option(name, Some(after))),
        }
        rest = if found.takes == Takes::Nothing { after } else { &[] };
    }
    Ok(())
}

fn option(name: &str, value: Option<&[u8]>) -> OsString {
    let mut word = format!("--{name}").into_bytes();
    if let Some(value) = value {
        word.push(b'=');
        word.extend_from_slice(value);
    }
    OsString::from_vec(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known() -> Vec<Known> {
        let one = |short, long: &[&str], takes| Known {
            short,
            long: long.iter().map(|name| (*name).to_owned()).collect(),
            takes,
        };
        vec![
            one(Some('v'), &["verbose"], Takes::Nothing),
            one(Some('H'), &["hostname"], Takes::Value),
            one(Some('S'), &["ssl"], Takes::Attached),
            one(Some('s'), &["string"], Takes::Value),
            one(None, &["status"], Takes::Value),
            one(None, &["sni"], Takes::Nothing),
            one(Some('r'), &["regex", "ereg"], Takes::Value),
            one(Some('w'), &["warning"], Takes::Value),
            one(None, &["verify-cert"], Takes::Nothing),
        ]
    }

    fn read(words: &[&str]) -> Result<String, String> {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let read = normalise(&argv, &known()).map_err(|problem| problem.to_string())?;
        Ok(read
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn getopt_habits_hold() {
        for (words, expected) in [
            (&["-H", "h", "extra", "-v"][..], "--hostname=h --verbose -- extra"),
            (&["-vHh"], "--verbose --hostname=h --"),
            (&["-H", "-v"], "--hostname=-v --"),
            (&["-S1.2", "1.2"], "--ssl=1.2 -- 1.2"),
            (&["-S", "-S1"], "--ssl --ssl=1 --"),
            (&["--ssl=1.2", "--ssl"], "--ssl=1.2 --ssl --"),
            (&["--", "-v"], "-- -v"),
            (&["-", "-v"], "--verbose -- -"),
            (&["-s", "--"], "--string=-- --"),
            (&["--re", "x", "--ereg", "y"], "--regex=x --regex=y --"),
            (&["-wt", "5", "-s", "-wt"], "--warning=5 --string=-w --"),
            (&["-s", ""], "--string= --"),
        ] {
            assert_eq!(read(words).as_deref(), Ok(expected), "{words:?}");
        }
    }

    #[test]
    fn a_prefix_that_was_unique_before_our_options_came_stays_unique() {
        assert_eq!(read(&["--st=x"]).as_deref(), Ok("--string=x --"));
        assert_eq!(read(&["--sta=x"]).as_deref(), Ok("--status=x --"));
        assert_eq!(read(&["--ver"]).as_deref(), Ok("--verbose --"));
    }

    #[test]
    fn getopt_complaints_are_kept() {
        for (words, expected) in [
            (&["--zz"][..], "unrecognized option '--zz'"),
            (
                &["--Verify_cert"],
                "unrecognized option '--Verify_cert'; did you mean '--verify-cert'?",
            ),
            (&["-Z"], "invalid option -- 'Z'"),
            (&["--s", "x"], "option '--s' is ambiguous; possibilities: '--ssl' '--sni' '--string'"),
            (&["--sni=1"], "option '--sni' doesn't allow an argument"),
            (&["--hostname"], "option '--hostname' requires an argument"),
            (&["-H"], "option requires an argument -- 'H'"),
        ] {
            assert_eq!(read(words).err().as_deref(), Some(expected), "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn no_words_panic_and_no_operand_is_lost(words in proptest::collection::vec("[-vHSsx=]{0,5}", 0..6)) {
            let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
            if let Ok(read) = normalise(&argv, &known()) {
                let end = read.iter().position(|word| word == "--");
                prop_assert!(end.is_some());
            }
        }
    }
}
