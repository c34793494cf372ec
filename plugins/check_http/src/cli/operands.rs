//! Handles stray words: words that are neither options nor values of options.
//!
//! monitoring-plugins' check_http uses the first one as the address and the second one as the host
//! name, and ignores the rest. With a mistake such as `-C 30 14` or `-e 200 OK`, it therefore
//! checks another server or nothing at all. Here, such a mistake is an error.
//!
//! Some stray words are accepted because existing configurations contain them. For example, Icinga
//! writes `-S 1.2` and `--continue-after-certificate true`, and Debian's command definitions end
//! with an empty word. With -I, an empty word can be anywhere, because it usually comes from an
//! unset macro.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use super::syntax::TypedOption;

/// TLS versions that can follow -S as a separate word. Each can have a `+` at its end.
const TLS_VERSIONS: [&str; 7] = ["1", "1.0", "1.1", "1.2", "1.3", "2", "3"];
/// Words that turn a flag on when they follow it.
const TRUE: [&str; 4] = ["true", "yes", "on", "1"];
/// Words that turn a flag off when they follow it.
const FALSE: [&str; 4] = ["false", "no", "off", "0"];
/// Options whose value may be a secret. No message contains a word that follows one of them.
const SECRET: [&str; 5] = ["authorization", "proxy-authorization", "header", "post", "proxy"];
/// Options whose value often contains spaces.
const TEXT: [&str; 9] = [
    "expect",
    "string",
    "regex",
    "eregi",
    "header-string",
    "header-regex",
    "url",
    "useragent",
    "content-type",
];
/// Options whose value can be a pair of numbers, and the character that separates the two numbers.
const PAIRS: [(&str, char); 4] =
    [("certificate", ','), ("warning", ':'), ("critical", ':'), ("pagesize", ':')];
/// Status codes with the first word of their reason phrase (RFC 9110, section 15).
const PHRASES: [(&str, &str); 22] = [
    ("200", "OK"),
    ("201", "Created"),
    ("202", "Accepted"),
    ("204", "No"),
    ("206", "Partial"),
    ("301", "Moved"),
    ("302", "Found"),
    ("303", "See"),
    ("304", "Not"),
    ("307", "Temporary"),
    ("308", "Permanent"),
    ("400", "Bad"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("404", "Not"),
    ("405", "Method"),
    ("410", "Gone"),
    ("429", "Too"),
    ("500", "Internal"),
    ("502", "Bad"),
    ("503", "Service"),
    ("504", "Gateway"),
];

/// A stray word that cannot be used. Holds the part of the message that follows `unexpected word`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unexpected word{0}")]
pub struct UnexpectedWord(String);

/// The stray words of a command line.
#[derive(Debug, Default)]
pub struct Operands {
    words: Vec<Operand>,
    /// Number of options before the last stray word, even if that word was dropped or merged into
    /// an option.
    reached: usize,
}

#[derive(Debug)]
struct Operand {
    word: OsString,
    /// Number of options before this word.
    position: usize,
    /// Whether an option comes directly before this word.
    adjacent: bool,
}

impl Operands {
    /// Adds a stray word. If the word belongs to the last of `options`, changes that option
    /// instead.
    pub fn add(&mut self, word: &OsStr, options: &mut Vec<TypedOption>) {
        let position = options.len();
        let adjacent = self.reached != position;
        let is = |known: &[&str]| known.iter().any(|known| word == *known);
        let bare = options.last_mut().filter(|last| adjacent && last.value.is_none());
        match bare {
            Some(last) if last.option.long == "ssl" && is_tls_version(word) => {
                last.value = Some(word.to_owned());
            }
            Some(last) if last.option.long == "continue-after-certificate" && is(&FALSE) => {
                options.pop();
            }
            Some(_) if is(&TRUE) => {}
            _ => self.words.push(Operand { word: word.to_owned(), position, adjacent }),
        }
        self.reached = options.len();
    }

    /// Adds the words after `--`, which do not belong to any option.
    pub fn add_all<'a>(&mut self, words: impl Iterator<Item = &'a OsStr>, position: usize) {
        let operand = |word: &OsStr| Operand { word: word.to_owned(), position, adjacent: false };
        self.words.extend(words.map(operand));
    }

    /// Returns the words that are used as the address and the host name. `options` are all options
    /// of the command line.
    ///
    /// # Errors
    /// Fails for the first word that cannot be used.
    pub fn finish(mut self, options: &[TypedOption]) -> Result<Vec<OsString>, UnexpectedWord> {
        let is_last = |operand: &mut Operand| operand.position == options.len();
        while self.words.pop_if(|last| last.word.is_empty() && is_last(last)).is_some() {}
        let given = |name: &str| options.iter().any(|typed| typed.option.long == name);
        if given("IP-address") {
            self.words.retain(|operand| !operand.word.is_empty());
        }
        let missing = ["IP-address", "hostname"].into_iter().filter(|name| !given(name)).count();
        let prints_text = given("help") || given("version");
        let is_stray = |(index, operand): (usize, &Operand)| {
            index >= missing || !is_target(&operand.word) || is_phrase(operand, options)
        };
        match self.words.iter().enumerate().position(is_stray).filter(|_| !prints_text) {
            Some(at) => Err(UnexpectedWord(self.complaint(at, options))),
            None => Ok(self.words.into_iter().map(|operand| operand.word).collect()),
        }
    }

    /// Returns the part of the message that follows `unexpected word`. `at` is the index of that
    /// word.
    fn complaint(&self, at: usize, options: &[TypedOption]) -> String {
        let Some(operand) = self.words.get(at) else { return String::new() };
        let (name, short, value) = preceding(operand, options);
        let shown = short.map_or_else(|| format!("--{name}"), |letter| format!("-{letter}"));
        let (word, value) = (operand.word.to_string_lossy(), value.to_string_lossy());
        let pair = PAIRS.iter().find(|(pair, _)| *pair == name).filter(|_| operand.adjacent);
        if SECRET.contains(&name) {
            return format!(" after {shown}: quote a value that contains blanks");
        }
        match (word.parse::<f64>(), value.parse::<f64>(), pair) {
            // Swap the numbers, because the start of a range must not be above its end.
            (Ok(second), Ok(first), Some((_, ':'))) if first > second => {
                format!(" '{word}': did you mean {shown} {word}:{value}?")
            }
            (Ok(_), Ok(_), Some((_, separator))) => {
                format!(" '{word}': did you mean {shown} {value}{separator}{word}?")
            }
            _ if !TEXT.contains(&name) => format!(" '{word}'; see --help"),
            _ => {
                let run = self.words.iter().filter(|other| other.position == operand.position);
                let rest: String =
                    run.map(|other| format!(" {}", other.word.to_string_lossy())).collect();
                format!(" '{word}': did you mean {shown} '{value}{rest}'?")
            }
        }
    }
}

/// Whether a word is a reason phrase that follows its status code, such as `OK` in an unquoted `-e
/// 200 OK`. Without this test, it would be used as a host name.
fn is_phrase(operand: &Operand, options: &[TypedOption]) -> bool {
    let (name, _, value) = preceding(operand, options);
    operand.adjacent
        && name == "expect"
        && PHRASES.iter().any(|(code, phrase)| {
            value.as_bytes().ends_with(code.as_bytes()) && operand.word.eq_ignore_ascii_case(phrase)
        })
}

/// Returns the names and the value of the option before `operand`, or empty values if there is no
/// such option.
fn preceding<'a>(
    operand: &Operand,
    options: &'a [TypedOption],
) -> (&'static str, Option<char>, &'a OsStr) {
    let before = operand.position.checked_sub(1).and_then(|at| options.get(at));
    before.map_or(("", None, OsStr::new("")), |TypedOption { option, value }| {
        (option.long, option.short, value.as_deref().unwrap_or_default())
    })
}

fn is_tls_version(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| TLS_VERSIONS.contains(&word.strip_suffix('+').unwrap_or(word)))
}

/// Whether a word can be an address, a host name or the path of a Unix socket. Incomplete addresses
/// such as `14` are excluded, because the system would read them as 0.0.0.14.
fn is_target(word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    let address = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    let address = address.split('%').next().unwrap_or_default();
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = word.chars().all(in_name)
        && word.chars().any(char::is_alphabetic)
        && word.chars().count() > 1;
    address.parse::<IpAddr>().is_ok() || is_name || word.starts_with('/')
}
