//! Finds words in a check_http command line that belong to no option. monitoring-plugins'
//! check_http uses the first such word as an address and ignores the rest. This project's
//! check_http refuses the rest.

use std::net::IpAddr;

/// Letters of the short options that take a value.
const SHORT: &str = "HIpxujPTkAabCJKedsrRMmfwct";
/// Names of the long options that take a value.
const LONG: &str = "hostname IP-address port source-address proxy noproxy url uri method post \
    content-type header header-file useragent authorization proxy-authorization auth-scheme \
    authorization-file proxy-authorization-file cookie-jar http-version certificate client-cert \
    private-key ca-cert passphrase-file pin-sha256 output-format expect status header-string \
    header-regex string regex ereg eregi state-regex json max-age pagesize onredirect max-redirs \
    warning critical timeout timeout-result json-perfdata";

/// A word that check_http refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedWord {
    /// What check_http does with the word, for the text of the finding.
    pub text: String,
    /// What to write instead, for the fix of the finding.
    pub fix: String,
}

/// The last option before a word that belongs to no option.
#[derive(Clone, Copy)]
struct OptionBefore<'a> {
    /// The option as written, with its hyphens.
    name: &'a str,
    value: Option<&'a str>,
}

/// Returns the first word that check_http refuses. Words with macros are assumed to be valid.
pub fn refused(arguments: &[String]) -> Option<RefusedWord> {
    let (mut addresses, mut before) = (Vec::new(), None);
    let (mut has_address, mut has_name) = (false, false);
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let Some((name, attached)) = option(word) else {
            match before.take() {
                _ if word.is_empty() => {}
                Some(option) if belongs(option, word) => {}
                Some(option) if is_split(option, word) => return Some(split(option, word)),
                _ => addresses.push(word),
            }
            continue;
        };
        let value = match attached {
            Some(value) => Some(value),
            None if takes_value(name) => words.next(),
            None => None,
        };
        has_address |= matches!(name, "-I" | "--IP-address");
        has_name |= matches!(name, "-H" | "--hostname");
        if value == Some("") && matches!(name, "-H" | "--hostname") {
            let text = "check_http is called with an empty -H, which it refuses".to_owned();
            return Some(RefusedWord { text, fix: "add a host name, or remove -H".into() });
        }
        before = Some(OptionBefore { name, value });
    }
    let used = usize::from(!has_address) + usize::from(!has_name);
    let is_odd = |(n, word): &(usize, &&str)| *n >= used || !is_address(word);
    addresses.iter().enumerate().find(is_odd).map(|(_, word)| RefusedWord {
        text: format!("check_http refuses the word '{word}'"),
        fix: "remove it, write the missing option before it, or quote the value that it belongs to"
            .into(),
    })
}

/// Splits an option from its attached value. Returns `None` for a word that is not an option.
fn option(word: &str) -> Option<(&str, Option<&str>)> {
    if word.starts_with("--") {
        let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        return (word != "--").then_some((name, value));
    }
    let letter = word.strip_prefix('-')?.chars().next()?;
    let (name, rest) = word.split_at(1 + letter.len_utf8());
    let attached = !rest.is_empty() && (SHORT.contains(letter) || letter == 'S');
    Some((if attached { name } else { word }, attached.then_some(rest)))
}

/// Whether the option takes a value. `name` can be a group of short options, in which the last
/// letter decides, or an abbreviated long option.
fn takes_value(name: &str) -> bool {
    match name.strip_prefix("--") {
        Some(long) => LONG.split_ascii_whitespace().any(|known| known.starts_with(long)),
        None => name.ends_with(|last| SHORT.contains(last)),
    }
}

/// Whether check_http accepts the word after this option, such as a TLS version after `--ssl` or
/// `on` after a switch.
fn belongs(option: OptionBefore<'_>, word: &str) -> bool {
    let is_tls = matches!(option.name, "-S" | "--ssl")
        && ["1", "1.0", "1.1", "1.2", "1.3", "2", "3"].contains(&word.trim_end_matches('+'));
    let is_negated = option.name == "--continue-after-certificate"
        && ["false", "no", "off", "0"].contains(&word);
    let is_set = ["true", "yes", "on", "1"].contains(&word);
    option.value.is_none() && (is_tls || is_set || is_negated)
}

/// Whether the word looks like the rest of the option's value, which was split because it contains
/// a blank and has no quotes.
fn is_split(option: OptionBefore<'_>, word: &str) -> bool {
    let is_number = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    option.value.is_some()
        && match option.name.trim_start_matches('-') {
            "C" | "certificate" | "w" | "warning" | "c" | "critical" => is_number,
            "e" | "expect" => true,
            _ => false,
        }
}

fn split(option: OptionBefore<'_>, word: &str) -> RefusedWord {
    let OptionBefore { name, value } = option;
    let value = value.unwrap_or_default();
    let whole = match name.trim_start_matches('-') {
        "C" | "certificate" => format!("{name} {value},{word}"),
        "e" | "expect" => format!("{name} '{value} {word}'"),
        _ => format!("{name} {value}"),
    };
    RefusedWord {
        text: format!("check_http refuses the word '{word}'"),
        fix: format!("write {whole}"),
    }
}

/// Whether the word is an IP address, contains a macro, or is a name of at least two characters,
/// one of which is a letter.
fn is_address(word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    word.contains('$')
        || word.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || word.len() > 1 && word.chars().all(is_name) && word.contains(|c: char| c.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &str) -> Option<RefusedWord> {
        let words = line.split(' ').map(|word| if word == "''" { "" } else { word });
        refused(&words.map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn accepts_command_lines_that_the_next_version_accepts() {
        for line in [
            "-H $HOSTADDRESS$ -I $HOSTADDRESS$ ''",
            "www.example.org",
            "192.0.2.1 www.example.org",
            "-H www.example.org web1",
            "-H $HOSTNAME$ $ARG1$",
            "-S 1.2 -H h1",
            "-H h1 --ssl 1.2+ -u /x",
            "-N true -H h1 -I ::1",
            "-H h1 --continue-after-certificate 0 -I ::1",
            "-H h1 --continue-after-certificate 1 -I ::1",
            "-vvS1.2 -w5 -c10 -H h1 -I ::1 -e 200,301",
            "-H h1 -I ::1 --onred ok --cert=30,14",
            "-lr a|b -H h1 -I ::1",
        ] {
            assert_eq!(verdict(line), None, "{line}");
        }
    }

    #[test]
    fn names_the_refused_word_and_its_fix() {
        for (line, word, fix) in [
            ("-H h1 -C 30 14", "'14'", "write -C 30,14"),
            ("-H h1 -w 10 5", "'5'", "write -w 10"),
            ("-H h1 -e 200 OK", "'OK'", "write -e '200 OK'"),
            ("-H h1 -I ::1 extra", "'extra'", "remove it"),
            ("web1 h1 extra", "'extra'", "remove it"),
            ("-H h1 5", "'5'", "remove it"),
            ("-H h1 10.0.0", "'10.0.0'", "remove it"),
            ("-H h1 -u /a b", "'b'", "remove it"),
            ("-H '' -u /a", "empty -H", "remove -H"),
        ] {
            let refused = verdict(line).unwrap_or_else(|| panic!("{line}"));
            assert!(refused.text.contains(word) && refused.fix.contains(fix), "{refused:?}");
        }
    }

    #[test]
    fn knows_all_options_of_check_http() {
        let command = check_http::command();
        let with_value = |arg: &&clap::Arg| {
            arg.get_action().takes_values() && arg.get_num_args().is_none_or(|n| n.min_values() > 0)
        };
        let options = || {
            command
                .get_arguments()
                .filter(|arg| !arg.is_positional() && arg.get_id() != "extra-opts")
        };
        let mut long: Vec<&str> = options()
            .filter(with_value)
            .flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default())
            .collect();
        let mut ours: Vec<&str> = LONG.split_ascii_whitespace().collect();
        long.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, long);
        for letter in options().filter_map(clap::Arg::get_short) {
            let takes = options().filter(with_value).any(|arg| arg.get_short() == Some(letter));
            assert_eq!(SHORT.contains(letter), takes, "-{letter}");
        }
    }
}
