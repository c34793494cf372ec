//! Parses the command line as getopt_long does.
//!
//! Existing command lines rely on getopt's rules. Flags can be bundled. A unique prefix of a long
//! name is enough. A value can be the next word, even if it starts with a dash. An optional value
//! must be attached. This module does not know what the options mean.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::families;
use super::operands::{Operands, UnexpectedWord};
use super::syntax::{OptionSyntax, TypedOption, ValueSyntax};

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

/// Parses the arguments after the program's name. Returns the options in their original order, and
/// the operands.
///
/// # Errors
/// Fails for the first word that is not part of a valid command line.
pub fn parse(
    argv: &[OsString],
    known: &[&'static OptionSyntax],
) -> Result<(Vec<TypedOption>, Vec<OsString>), BadArgument> {
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
    let operands = operands.finish(&options)?;
    Ok((options, operands))
}

fn replace_legacy_form(word: &OsString) -> &OsStr {
    let found = OLD_FORMS.iter().find(|(old, _)| word == old);
    found.map_or(word, |(_, new)| OsStr::new(new))
}

fn long_option<'a>(
    word: &'a [u8],
    words: &mut impl Iterator<Item = &'a OsStr>,
    known: &[&'static OptionSyntax],
) -> Result<TypedOption, BadArgument> {
    let equals = word.iter().position(|b| *b == b'=');
    let (name, value) = match equals.and_then(|at| word.split_at_checked(at)) {
        Some((name, rest)) => (name, Some(rest.get(1..).unwrap_or_default())),
        None => (word, None),
    };
    let option = complete(&String::from_utf8_lossy(name), known)?;
    let value = value.map(OsStr::from_bytes);
    let value = match option.takes {
        ValueSyntax::Nothing if value.is_some() => {
            return Err(BadArgument::NoValueAllowed(option.long.to_owned()));
        }
        ValueSyntax::Value => {
            let value = value.or_else(|| words.next());
            Some(value.ok_or_else(|| BadArgument::LongNeedsValue(option.long.to_owned()))?)
        }
        _ => value,
    };
    Ok(TypedOption::new(option, value))
}

/// Finds the option whose long name is `name`. If there is none, finds the only option whose long
/// name starts with `name`.
fn complete(
    name: &str,
    known: &[&'static OptionSyntax],
) -> Result<&'static OptionSyntax, BadArgument> {
    let all = || known.iter().flat_map(|option| option.names().map(move |long| (long, *option)));
    if let Some((_, option)) = all().find(|(long, _)| *long == name) {
        return Ok(option);
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
            Ok(option)
        }
        several => {
            let names = several.iter().map(|(long, _)| format!(" '--{long}'")).collect();
            Err(BadArgument::Ambiguous(name.to_owned(), names))
        }
    }
}

/// Suggests an option whose name differs from `name` only in case, dashes and underscores.
fn suggestion(name: &str, known: &[&'static OptionSyntax]) -> String {
    let letters = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let mut all = known.iter().flat_map(|option| option.names());
    all.find(|long| letters(long) == letters(name))
        .map(|long| format!("; did you mean '--{long}'?"))
        .unwrap_or_default()
}

/// Parses bundled short options such as `-vkX`. The last of them can take a value, which is the
/// rest of the word or the next word.
fn short_options<'a>(
    letters: &'a [u8],
    words: &mut impl Iterator<Item = &'a OsStr>,
    known: &[&'static OptionSyntax],
    options: &mut Vec<TypedOption>,
) -> Result<(), BadArgument> {
    let mut rest = letters;
    while let [letter, after @ ..] = rest {
        let letter = char::from(*letter);
        let option = *known
            .iter()
            .find(|option| option.short == Some(letter))
            .ok_or(BadArgument::Invalid(letter))?;
        let attached = Some(OsStr::from_bytes(after)).filter(|value| !value.is_empty());
        let value = match option.takes {
            ValueSyntax::Nothing => None,
            ValueSyntax::Attached => attached,
            ValueSyntax::Value => {
                let value = attached.or_else(|| words.next());
                Some(value.ok_or(BadArgument::ShortNeedsValue(letter))?)
            }
        };
        options.push(TypedOption::new(option, value));
        rest = if option.takes == ValueSyntax::Nothing { after } else { &[] };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::syntax::{option, shown};
    use proptest::prelude::*;

    static KNOWN: [OptionSyntax; 9] = [
        option("verbose").short('v'),
        option("hostname").short('H').value(""),
        option("ssl").short('S').optional_value(""),
        option("string").short('s').value(""),
        option("status").value(""),
        option("sni"),
        option("regex").alias("ereg").short('r').value(""),
        option("warning").short('w').value(""),
        option("verify-cert"),
    ];

    fn read(words: &[&str]) -> Result<String, String> {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let known: Vec<_> = KNOWN.iter().collect();
        parse(&argv, &known).map(|parsed| shown(&parsed)).map_err(|problem| problem.to_string())
    }

    #[test]
    fn parses_words_like_getopt() {
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
        fn parses_any_words_without_panic(
            words in proptest::collection::vec("[-vHSsx=]{0,5}", 0..6),
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = read(&words);
        }
    }
}
