//! The options of monitoring-plugins' check_http 2.3.3, and the ways to write them.

use std::collections::BTreeSet;

use testkit::Random;

use crate::values::{self, OptionValue};

/// Long names and letters of the options with a value.
const WITH_VALUE: [(&str, &str); 28] = [
    ("post", "P"),
    ("method", "j"),
    ("IP-address", "I"),
    ("url", "u"),
    ("port", "p"),
    ("authorization", "a"),
    ("proxy-authorization", "b"),
    ("hostname", "H"),
    ("header-string", "d"),
    ("string", "s"),
    ("expect", "e"),
    ("regex", "r"),
    ("ereg", "r"),
    ("eregi", "R"),
    ("onredirect", "f"),
    ("critical", "c"),
    ("warning", "w"),
    ("timeout", "t"),
    ("certificate", "C"),
    ("client-cert", "J"),
    ("private-key", "K"),
    ("useragent", "A"),
    ("header", "k"),
    ("max-age", "M"),
    ("content-type", "T"),
    ("pagesize", "m"),
    ("max-redirs", ""),
    ("extra-opts", ""),
];
/// Long names and letters of the options without a value, and of `ssl`, whose value is optional.
const FLAGS: [(&str, &str); 17] = [
    ("help", "h"),
    ("version", "V"),
    ("verbose", "v"),
    ("link", "L"),
    ("nohtml", "n"),
    ("ssl", "S"),
    ("sni", ""),
    ("linespan", "l"),
    ("continue-after-certificate", ""),
    ("no-body", "N"),
    ("invert-regex", ""),
    ("use-ipv4", "4"),
    ("use-ipv6", "6"),
    ("extended-perfdata", "E"),
    ("show-body", "B"),
    ("extended-perfdata", "E"),
    ("no-body", "N"),
];
/// Options with a value that are drawn more or less often than the others. Those that choose the
/// target are drawn separately.
const FREQUENT: [&str; 10] = [
    "string",
    "regex",
    "eregi",
    "expect",
    "onredirect",
    "header",
    "url",
    "pagesize",
    "max-age",
    "header-string",
];
const OF_THE_TARGET: [&str; 6] =
    ["IP-address", "port", "hostname", "client-cert", "private-key", "extra-opts"];
/// Flags that are drawn rarely, because most of their output differs or because they end the run.
const RARE: [&str; 5] = ["help", "version", "verbose", "link", "use-ipv6"];
/// Options that the original does not have: those of other plugins, and some that only our program
/// has.
const ADDED: [&str; 21] = [
    "--ca-cert=DIR/ca.pem",
    "-D",
    "--verify-cert",
    "--verify-host",
    "--http-version=1.1",
    "--http-version=1.0",
    "--enable-automatic-decompression",
    "--cookie-jar=",
    "--haproxy-protocol",
    "--state-regex=warning",
    "--noproxy=*",
    "--timeout-result=ok",
    "--output-format=multi-line",
    "--uri=/x",
    "-U",
    "--show-url",
    "-o",
    "--output-body-as-perfdata",
    "--status=404=ok",
    "--match-all",
    "--header-file=DIR/headers",
];
/// Words that neither program accepts as options. For the last three, the message of our program
/// suggests an option or omits the value.
const UNKNOWN: [&str; 8] =
    ["--zz", "-Z", "-g", "--sni=1", "-E=5", "--url-path=x", "--Link", "--no_body"];
/// Words that are neither options nor values.
const STRAY: [&str; 12] =
    ["14", "OK", "true", "1.2", "", "extra", "a b", "127.1", "no", "*", "30,14", "x.example"];
/// Legacy spellings.
const LEGACY: [(&str, &str); 4] =
    [("warning", "-wt"), ("critical", "-ct"), ("timeout", "-to"), ("hostname", "-hn")];

/// An argument of a command line: one option with its value, several bundled options, or a word
/// that is not an option.
#[derive(Debug, Clone, Default)]
pub struct Argument {
    pub words: Vec<String>,
    /// Long names and values of the options.
    pub options: Vec<(&'static str, String)>,
    /// Quirks to which the argument belongs.
    pub quirks: Vec<&'static str>,
    /// Whether the argument is invalid, or ends the run as --help does.
    pub ends_run: bool,
    /// Whether the argument is a word for the address or the host name.
    pub is_operand: bool,
}

impl Argument {
    fn word(text: &str) -> Argument {
        Argument { words: vec![text.to_owned()], ..Argument::default() }
    }

    fn of_class(text: &str, quirk: &'static str) -> Argument {
        Argument { quirks: vec![quirk], ..Argument::word(text) }
    }

    /// A word that the programs use as the address or the host name.
    pub fn operand(text: &str) -> Argument {
        Argument { is_operand: true, ..Argument::word(text) }
    }

    /// Returns a random argument.
    pub fn random(random: &mut Random) -> Argument {
        match random.below(400) {
            0..2 if random.one_in(3) => Argument::of_class(random.choose(&ADDED), "added-options"),
            0..2 => Argument::of_class(random.choose(&STRAY), "stray-words"),
            2..4 => {
                let last = if random.one_in(3) { UNKNOWN.len() } else { 5 };
                let at = random.index(last);
                let quirks = if at < 5 { vec![] } else { vec!["one-line-errors"] };
                Argument { ends_run: true, quirks, ..Argument::word(UNKNOWN[at]) }
            }
            4..6 => extra_opts(random),
            6..25 => bundle(random),
            25..30 => {
                let pair = [file(random, "client-cert"), file(random, "private-key")];
                let [mut certificate, key] = pair;
                certificate.words.extend(key.words);
                certificate.options.extend(key.options);
                certificate.quirks.extend(key.quirks);
                certificate.ends_run |= key.ends_run;
                certificate
            }
            30..33 => file(random, "private-key"),
            33..34 => file(random, "client-cert"),
            34..38 => Argument::random_value(random, "port"),
            38..44 => Argument::random_value(random, "hostname"),
            44..140 => {
                let (name, _) = random.choose(&FLAGS);
                if RARE.contains(&name) && !random.one_in(8) {
                    return Argument::random(random);
                }
                flag(random, name)
            }
            140..300 => {
                let name = random.choose(&FREQUENT);
                Argument::random_value(random, name)
            }
            _ => {
                let (name, _) = random.choose(&WITH_VALUE);
                if OF_THE_TARGET.contains(&name) {
                    return Argument::random(random);
                }
                Argument::random_value(random, name)
            }
        }
    }

    /// Returns a random argument whose value is missing, because it is the last word.
    pub fn without_value(random: &mut Random) -> Argument {
        let (name, letter) = random.choose(&WITH_VALUE[..27]);
        let word = if letter.is_empty() { format!("--{name}") } else { format!("-{letter}") };
        Argument { ends_run: true, ..Argument::word(&word) }
    }

    fn random_value(random: &mut Random, name: &'static str) -> Argument {
        let value = values::value(random, name);
        Argument::with_value(random, name, value)
    }

    /// Returns an option with this value, written in a random way.
    pub fn with_value(random: &mut Random, name: &'static str, value: OptionValue) -> Argument {
        let OptionValue { text, quirk, is_error } = value;
        let letter = WITH_VALUE.iter().find(|(long, _)| *long == name).unwrap().1;
        let legacy = LEGACY.iter().find(|(long, _)| *long == name);
        let mut argument = Argument {
            quirks: quirk.into_iter().collect(),
            ends_run: is_error,
            options: vec![(name, text.clone())],
            ..Argument::default()
        };
        argument.words = match random.below(20) {
            0..8 if !letter.is_empty() => vec![format!("-{letter}"), text],
            8..11 if !letter.is_empty() && !text.is_empty() => vec![format!("-{letter}{text}")],
            11 if legacy.is_some() => vec![legacy.unwrap().1.to_owned(), text],
            12..15 => vec![format!("--{name}"), text],
            15 => {
                let prefix = argument.abbreviated(random, name);
                vec![format!("--{prefix}"), text]
            }
            16 if random.one_in(3) => {
                let prefix = argument.abbreviated(random, name);
                // getopt prints the value after an ambiguous prefix. We do not, because it may be a
                // secret.
                if argument.ends_run {
                    argument.quirks.push("one-line-errors");
                }
                vec![format!("--{prefix}={text}")]
            }
            _ => vec![format!("--{name}={text}")],
        };
        argument
    }

    /// Returns a random prefix of a long name. Notes if it is ambiguous.
    fn abbreviated(&mut self, random: &mut Random, name: &str) -> String {
        let shortest = if random.one_in(10) { 1 } else { name.len().min(6) };
        let prefix = name[..shortest + random.index(name.len() + 1 - shortest)].to_owned();
        // The original handles --extra-opts before getopt runs, so it cannot be abbreviated.
        let all = || WITH_VALUE[..27].iter().chain(&FLAGS).map(|(long, _)| *long);
        let meant = all().filter(|long| long.starts_with(&prefix));
        let meant: BTreeSet<_> =
            meant.map(|long| if long == "ereg" { "regex" } else { long }).collect();
        if prefix == "proxy" {
            self.quirks.push("proxy-option");
        }
        self.ends_run |= meant.len() > 1 && !all().any(|long| long == prefix);
        prefix
    }
}

/// Returns an option that names a file.
fn file(random: &mut Random, name: &'static str) -> Argument {
    let good = if name == "client-cert" { "DIR/client.crt" } else { "DIR/client.key" };
    let value = match random.below(20) {
        0 => OptionValue { is_error: true, ..OptionValue::valid("/no/such/file") },
        _ => OptionValue::valid(good),
    };
    Argument::with_value(random, name, value)
}

/// Returns a flag, written in a random way.
fn flag(random: &mut Random, name: &'static str) -> Argument {
    let letter = FLAGS.iter().find(|(long, _)| *long == name).unwrap().1;
    let mut argument = Argument {
        options: vec![(name, String::new())],
        ends_run: ["help", "version"].contains(&name),
        ..Argument::default()
    };
    if name == "ssl" && random.one_in(2) {
        let version = values::tls_version(random);
        argument.options[0].1.clone_from(&version.text);
        argument.quirks.extend(version.quirk);
        argument.ends_run = version.is_error;
        let start = if random.one_in(3) { "--ssl=" } else { "-S" };
        argument.words = vec![format!("{start}{}", version.text)];
        return argument;
    }
    let word = match random.below(10) {
        0..6 if !letter.is_empty() => format!("-{letter}"),
        9 => format!("--{}", argument.abbreviated(random, name)),
        _ => format!("--{name}"),
    };
    argument.words = vec![word];
    argument
}

/// Returns several flags in one word. The last letter can be an option with a value.
fn bundle(random: &mut Random) -> Argument {
    let mut bundle = Argument::default();
    let mut word = String::from("-");
    for _ in 0..=random.below(3) {
        let (name, letter) = random.choose(&[
            ("extended-perfdata", "E"),
            ("no-body", "N"),
            ("show-body", "B"),
            ("linespan", "l"),
            ("nohtml", "n"),
            ("use-ipv4", "4"),
        ]);
        word.push_str(letter);
        bundle.options.push((name, String::new()));
    }
    if random.one_in(2) {
        let (name, letter) =
            random.choose(&[("string", "s"), ("url", "u"), ("timeout", "t"), ("eregi", "R")]);
        let OptionValue { text, quirk, is_error } = values::value(random, name);
        word.push_str(letter);
        bundle.options.push((name, text.clone()));
        bundle.quirks.extend(quirk);
        bundle.ends_run = is_error;
        if text.is_empty() || random.one_in(2) {
            bundle.words = vec![word, text];
            return bundle;
        }
        word.push_str(&text);
    }
    bundle.words = vec![word];
    bundle
}

/// Returns options from an ini file.
fn extra_opts(random: &mut Random) -> Argument {
    let (value, inserted) = match random.below(16) {
        0 => ("nosuch@DIR/file.ini", None),
        1 => ("@DIR/nosuch.ini", None),
        2..9 => ("two@DIR/file.ini", Some("string")),
        _ => ("section@DIR/file.ini", Some("url")),
    };
    let mut argument = match inserted {
        Some(name) => Argument { options: vec![(name, "text".into())], ..Argument::default() },
        None => Argument { ends_run: true, quirks: vec!["one-line-errors"], ..Argument::default() },
    };
    argument.words = vec![format!("--extra-opts={value}")];
    argument
}
