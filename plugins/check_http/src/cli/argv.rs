//! Parses the command line as getopt_long does, and converts it to a form that clap can parse: a
//! list of `--long=value` words followed by the operands.
//!
//! Existing command lines rely on getopt's rules. Flags can be bundled. A unique prefix of a long
//! name is enough. A value can be the next word, even if it starts with a dash. An optional value
//! must be attached. This module does not know what the options mean.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::families;
use super::operands::{Operands, UnexpectedWord};

/// How an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueSyntax {
    /// The option is a flag without a value.
    Nothing,
    /// The value is attached or is the next word.
    Value,
    /// The value is optional and must be attached: `-S1.2`, `--ssl=1.2`.
    Attached,
}

/// An option's names, and how it takes a value.
#[derive(Debug, Clone, Copy)]
pub struct OptionSyntax<'a> {
    /// Letter of the short form, if the option has one.
    pub short: Option<char>,
    /// Long name without dashes.
    pub long: &'a str,
    /// Second long name, if the option has one.
    pub alias: Option<&'a str>,
    /// How the option takes a value.
    pub takes: ValueSyntax,
}

impl<'a> OptionSyntax<'a> {
    /// Returns all long names.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.long).chain(self.alias)
    }
}

/// An error in a command line, worded as in getopt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArgument {
    /// The long option is unknown. Holds its name and a suggestion, which may be empty.
    #[error("unrecognized option '--{0}'{1}")]
    Unrecognized(String, String),
    /// The short option is unknown. Holds its letter.
    #[error("invalid option -- '{0}'")]
    Invalid(char),
    /// The name is a prefix of several long options. Holds this prefix and the names of the
    /// options.
    #[error("option '--{0}' is ambiguous; possibilities:{1}")]
    Ambiguous(String, String),
    /// A value was given to an option that takes none. Holds the name of the option.
    #[error("option '--{0}' doesn't allow an argument")]
    NoValueAllowed(String),
    /// The long option is the last word and lacks its value.
    #[error("option '--{0}' requires an argument")]
    LongNeedsValue(String),
    /// The short option is the last word and lacks its value.
    #[error("option requires an argument -- '{0}'")]
    ShortNeedsValue(char),
    /// A word is neither an option nor the value of an option, and has no other meaning.
    #[error(transparent)]
    Unexpected(#[from] UnexpectedWord),
}

/// Legacy spellings of options and their replacements. Like monitoring-plugins, we replace every
/// word that equals a legacy spelling, even if the word is the value of another option.
const OLD_FORMS: [(&str, &str); 5] =
    [("-to", "-t"), ("-hn", "-H"), ("-wt", "-w"), ("-ct", "-c"), ("-nohtml", "-n")];

/// Normalises the arguments after the program's name. Returns the options as `--long=value` words
/// in their original order, then `--` and the operands.
///
/// # Errors
/// Fails for the first word that is not part of a valid command line.
pub fn normalise(
    argv: &[OsString],
    known: &[OptionSyntax<'_>],
) -> Result<Vec<OsString>, BadArgument> {
    let mut options = Vec::new();
    let mut operands = Operands::default();
    let mut words = argv.iter().map(replace_legacy_form);
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"--" => operands.add_all(words.by_ref(), options.len()),
            [b'-', b'-', long @ ..] => options.push(long_option(long, &mut words, known)?),
            [b'-', letters @ ..] if !letters.is_empty() => {
                short_options(letters, &mut words, known, &mut options)?
            }
            _ => operands.add(word, &mut options),
        }
    }
    let short = |name: &str| known.iter().find(|option| option.long == name)?.short;
    let operands = operands.finish(&options, short)?;
    options.push("--".into());
    options.extend(operands);
    Ok(options)
}

fn replace_legacy_form(word: &OsString) -> OsString {
    OLD_FORMS
        .iter()
        .find(|(old, _)| word == old)
        .map_or_else(|| word.clone(), |(_, new)| OsString::from(new))
}

fn long_option(
    word: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    known: &[OptionSyntax<'_>],
) -> Result<OsString, BadArgument> {
    let equals = word.iter().position(|b| *b == b'=');
    let (name, value) = match equals.and_then(|at| word.split_at_checked(at)) {
        Some((name, rest)) => (name, Some(rest.get(1..).unwrap_or_default())),
        None => (word, None),
    };
    let name = String::from_utf8_lossy(name).into_owned();
    let (full, takes) = complete(&name, known)?;
    match (takes, value) {
        (ValueSyntax::Nothing, Some(_)) => Err(BadArgument::NoValueAllowed(full)),
        (ValueSyntax::Value, None) => match words.next() {
            Some(next) => Ok(option(&full, Some(next.as_bytes()))),
            None => Err(BadArgument::LongNeedsValue(full)),
        },
        (_, value) => Ok(option(&full, value)),
    }
}

/// Finds the option whose long name is `name`. If there is none, finds the only option whose long
/// name starts with `name`. Returns its canonical name and how it takes a value.
fn complete(name: &str, known: &[OptionSyntax<'_>]) -> Result<(String, ValueSyntax), BadArgument> {
    let all = || known.iter().flat_map(|option| option.names().map(move |long| (long, option)));
    let chosen = |option: &OptionSyntax<'_>| (option.long.to_owned(), option.takes);
    if let Some((_, option)) = all().find(|(long, _)| *long == name) {
        return Ok(chosen(option));
    }
    // A prefix that is unique among the options of monitoring-plugins' check_http stays valid even
    // if one of our additional options starts with it.
    let first = families::CHECK_HTTP.options.split(' ').filter(|first| first.starts_with(name));
    let mut meant: Vec<_> =
        first.filter_map(|first| all().find(|(long, _)| *long == first)).collect();
    if meant.is_empty() {
        meant = all().filter(|(long, _)| long.starts_with(name)).collect();
    }
    match meant.as_slice() {
        [] => Err(BadArgument::Unrecognized(name.to_owned(), suggestion(name, known))),
        [(_, option), rest @ ..] if rest.iter().all(|(_, other)| other.long == option.long) => {
            Ok(chosen(option))
        }
        several => {
            let names = several.iter().map(|(long, _)| format!(" '--{long}'")).collect();
            Err(BadArgument::Ambiguous(name.to_owned(), names))
        }
    }
}

/// Suggests an option whose name differs from `name` only in case, dashes and underscores.
fn suggestion(name: &str, known: &[OptionSyntax<'_>]) -> String {
    let letters = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let mut all = known.iter().flat_map(OptionSyntax::names);
    all.find(|long| letters(long) == letters(name))
        .map(|long| format!("; did you mean '--{long}'?"))
        .unwrap_or_default()
}

/// Parses bundled short options such as `-vkX`. The last of them can take a value, which is the
/// rest of the word or the next word.
fn short_options(
    letters: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    known: &[OptionSyntax<'_>],
    options: &mut Vec<OsString>,
) -> Result<(), BadArgument> {
    let mut rest = letters;
    while let [letter, after @ ..] = rest {
        let letter = char::from(*letter);
        let found = known
            .iter()
            .find(|option| option.short == Some(letter))
            .ok_or(BadArgument::Invalid(letter))?;
        let name = found.long;
        match found.takes {
            ValueSyntax::Nothing => options.push(option(name, None)),
            ValueSyntax::Attached => {
                options.push(option(name, Some(after).filter(|value| !value.is_empty())))
            }
            ValueSyntax::Value if after.is_empty() => match words.next() {
                Some(next) => options.push(option(name, Some(next.as_bytes()))),
                None => return Err(BadArgument::ShortNeedsValue(letter)),
            },
            ValueSyntax::Value => options.push(option(name, Some(after))),
        }
        rest = if found.takes == ValueSyntax::Nothing { after } else { &[] };
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
    use std::ffi::OsStr;

    use super::*;
    use proptest::prelude::*;

    fn known() -> Vec<OptionSyntax<'static>> {
        let one = |short, long: &[&'static str], takes| OptionSyntax {
            short,
            long: long[0],
            alias: long.get(1).copied(),
            takes,
        };
        vec![
            one(Some('v'), &["verbose"], ValueSyntax::Nothing),
            one(Some('H'), &["hostname"], ValueSyntax::Value),
            one(Some('S'), &["ssl"], ValueSyntax::Attached),
            one(Some('s'), &["string"], ValueSyntax::Value),
            one(None, &["status"], ValueSyntax::Value),
            one(None, &["sni"], ValueSyntax::Nothing),
            one(Some('r'), &["regex", "ereg"], ValueSyntax::Value),
            one(Some('w'), &["warning"], ValueSyntax::Value),
            one(None, &["verify-cert"], ValueSyntax::Nothing),
        ]
    }

    fn read(words: &[&str]) -> Result<String, String> {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let read = normalise(&argv, &known()).map_err(|problem| problem.to_string())?;
        Ok(read.join(OsStr::new(" ")).to_string_lossy().into_owned())
    }

    #[test]
    fn normalises_words_like_getopt() {
        for (words, expected) in [
            (&["-H", "h", "extra", "-v"][..], "--hostname=h --verbose -- extra"),
            (&["-vHh"], "--verbose --hostname=h --"),
            (&["-H", "-v"], "--hostname=-v --"),
            (&["-S1.2", "x.y"], "--ssl=1.2 -- x.y"),
            (&["-S", "-S1"], "--ssl --ssl=1 --"),
            (&["--ssl=1.2", "--ssl"], "--ssl=1.2 --ssl --"),
            (&["--", "-vx"], "-- -vx"),
            (&["ab", "-v"], "--verbose -- ab"),
            (&["-s", "--"], "--string=-- --"),
            (&["--re", "x", "--ereg", "y"], "--regex=x --regex=y --"),
            (&["-wt", "5", "-s", "-wt"], "--warning=5 --string=-w --"),
            (&["-s", ""], "--string= --"),
        ] {
            assert_eq!(read(words).as_deref(), Ok(expected), "{words:?}");
        }
    }

    #[test]
    fn accepts_prefixes_that_monitoring_plugins_accepts() {
        assert_eq!(read(&["--st=x"]).as_deref(), Ok("--string=x --"));
        assert_eq!(read(&["--sta=x"]).as_deref(), Ok("--status=x --"));
        assert_eq!(read(&["--ver"]).as_deref(), Ok("--verbose --"));
    }

    #[test]
    fn reports_errors_like_getopt() {
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
        fn normalises_any_words_without_panic(
            words in proptest::collection::vec("[-vHSsx=]{0,5}", 0..6),
        ) {
            let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
            if let Ok(read) = normalise(&argv, &known()) {
                let end = read.iter().position(|word| word == "--");
                prop_assert!(end.is_some());
            }
        }
    }
}
