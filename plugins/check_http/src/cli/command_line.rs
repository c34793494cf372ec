//! The command line as typed. It and `options` are the only files that know clap; what the values
//! mean is `wish`'s business.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use clap::{CommandFactory, FromArgMatches};
use plugin_kit::Problem;

use crate::cli::argv::{self, Known, Takes};
use crate::cli::extra_opts;
use crate::deadline;
use crate::spec::typed;

use super::options::Cli;

/// The command line as clap knows it, for what is made of it: manual pages and completions. Runs
/// nothing.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The options with what only their order tells.
#[derive(Debug)]
pub struct Typed {
    /// The options.
    pub cli: Cli,
    /// The same as words, in the form every program of ours reads the same way, with --extra-opts
    /// resolved.
    #[cfg_attr(not(feature = "rustls"), allow(dead_code, reason = "who hands over reads them"))]
    pub words: Vec<OsString>,
    /// For each -H: an option that asks for TLS stands behind it, and so sets its port back to 443.
    pub tls_after_hostname: Vec<bool>,
    /// -4 and -6: the last one counts.
    pub ipv6_last: bool,
    /// -r and -R in their order.
    pub patterns: Vec<TypedPattern>,
}

/// A regular expression with the options that stood before it.
#[derive(Debug)]
pub struct TypedPattern {
    /// The expression.
    pub text: OsString,
    /// -R was seen, here or before.
    pub ignore_case: bool,
    /// -l was seen before.
    pub linespan: bool,
}

/// Reads the command line, without the program's name, in a run that began at `begin`.
pub fn read(argv: &[OsString], begin: Instant) -> Result<Typed, Problem> {
    if argv.is_empty() {
        return Err(Problem::Usage(
            "Could not parse arguments: -H NAME or -I ADDRESS is needed, --help tells more".into(),
        ));
    }
    let mut command = command();
    let known = known(&command);
    let takes_value = |name: &str| {
        known.iter().any(|option| {
            option.takes == Takes::Value && option.long.iter().any(|long| long == name)
        })
    };
    let argv = extra_opts::expand(argv, takes_value, |line| deadline(line, &known, begin))?;
    let words =
        argv::normalise(&argv, &known).map_err(|problem| Problem::Usage(problem.to_string()))?;
    let line = std::iter::once(OsString::from("check_http")).chain(words.iter().cloned());
    let matches = command.try_get_matches_from_mut(line).map_err(|error| usage(&error))?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| usage(&error))?;
    if cli.help {
        return Err(Problem::HelpRequested(command.render_help().to_string()));
    }
    if cli.version {
        return Err(Problem::HelpRequested(format!(
            "check_http v{0} (nagios-selfheal {0})",
            env!("CARGO_PKG_VERSION")
        )));
    }
    let last = |id: &str| {
        let typed = matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
        matches.indices_of(id).filter(|_| typed).and_then(Iterator::max)
    };
    let tls = ["ssl", "certificate", "client_cert", "private_key", "verify_cert", "ca_cert"]
        .into_iter()
        .filter_map(last)
        .max();
    let tls_after_hostname =
        places(&matches, "hostname").into_iter().map(|place| tls > Some(place)).collect();
    let ipv6_last = last("ipv6") > last("ipv4");
    let patterns = patterns(&cli, &matches);
    // The process is about to end: taking clap's tables apart would cost an eighth of the whole
    // run.
    std::mem::forget((command, matches, known));
    Ok(Typed { cli, words, tls_after_hostname, ipv6_last, patterns })
}

/// When a run with these words must end. What is wrong with them is told later.
fn deadline(line: &[OsString], known: &[Known], begin: Instant) -> Option<Instant> {
    let words = argv::normalise(line, known).unwrap_or_default();
    let typed = words.iter().rev().find_map(|word| word.as_bytes().strip_prefix(b"--timeout="));
    let limit =
        typed::timeout(typed.map(OsStr::from_bytes), None).or_else(|_| typed::timeout(None, None));
    deadline::deadline(begin, limit.ok().flatten())
}

fn known(command: &clap::Command) -> Vec<Known> {
    command
        .get_arguments()
        // What is left of it when it was resolved is none, as a prefix of it never was one.
        .filter(|arg| arg.get_id() != "extra_opts")
        .filter_map(|arg| {
            let takes = match arg.get_num_args() {
                Some(range) if range.takes_values() && range.min_values() == 0 => Takes::Attached,
                _ if arg.get_action().takes_values() => Takes::Value,
                _ => Takes::Nothing,
            };
            let long = arg.get_long()?.to_owned();
            let aliases = arg.get_all_aliases().unwrap_or_default().into_iter().map(str::to_owned);
            Some(Known {
                short: arg.get_short(),
                long: std::iter::once(long).chain(aliases).collect(),
                takes,
            })
        })
        .collect()
}

/// Where on the line an option stands.
fn places(matches: &clap::ArgMatches, id: &str) -> Vec<usize> {
    matches.indices_of(id).map(Iterator::collect).unwrap_or_default()
}

fn patterns(cli: &Cli, matches: &clap::ArgMatches) -> Vec<TypedPattern> {
    let (regex, eregi) = (places(matches, "regex"), places(matches, "eregi"));
    let linespan =
        if cli.linespan > 0 { places(matches, "linespan").into_iter().min() } else { None };
    let mut typed: Vec<_> =
        regex.iter().zip(&cli.regex).chain(eregi.iter().zip(&cli.eregi)).collect();
    typed.sort_by_key(|(place, _)| **place);
    typed
        .into_iter()
        .map(|(place, text)| TypedPattern {
            text: text.clone(),
            ignore_case: eregi.iter().any(|insensitive| insensitive <= place),
            linespan: linespan.is_some_and(|flag| flag < *place),
        })
        .collect()
}

/// clap's own complaint in one line. The words are normalised already, so there is little left to
/// complain about.
fn usage(error: &clap::Error) -> Problem {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Problem::Usage(first.strip_prefix("error: ").unwrap_or(first).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &str) -> Typed {
        read(&words.split(' ').map(OsString::from).collect::<Vec<_>>(), Instant::now()).unwrap()
    }

    #[test]
    fn the_last_of_repeated_options_counts_where_it_always_did() {
        let cli = typed("-H a -H b -u /x -u /y -k 1 -k 2 -P first -P second").cli;
        assert_eq!(cli.hostname, ["a", "b"]);
        assert_eq!(cli.url, "/y");
        assert_eq!(cli.header, ["1", "2"]);
        assert_eq!(cli.post.first(), Some(&"first".into()));
    }

    #[test]
    fn extra_opts_are_never_passed_over_in_silence() {
        for word in ["--extra-opt=@/no/such/file", "--extra=@/no/such/file"] {
            let refused = read(&["-H".into(), "h".into(), word.into()], Instant::now())
                .map_err(|problem| problem.to_string());
            assert!(
                refused.is_err_and(|why| why.starts_with("unrecognized option '--extra")),
                "{word}"
            );
        }
    }

    #[test]
    fn flags_bind_to_the_patterns_behind_them() {
        let patterns = typed("-r a -R b -l -r c").patterns;
        let seen: Vec<_> = patterns
            .iter()
            .map(|p| (p.text.to_str().unwrap(), p.ignore_case, p.linespan))
            .collect();
        assert_eq!(seen, [("a", false, false), ("b", true, false), ("c", true, true)]);
    }

    #[test]
    fn the_place_of_the_tls_option_is_told() {
        assert_eq!(typed("-H h:8080 -S").tls_after_hostname, [true]);
        assert_eq!(typed("-S -H h:8443").tls_after_hostname, [false]);
        assert_eq!(typed("-S1.2+ -H h:8443 -C 5 -H h").tls_after_hostname, [true, false]);
    }

    #[test]
    fn help_fits_eighty_columns_and_names_every_option() {
        let Err(Problem::HelpRequested(help)) = read(&["-h".into()], Instant::now()) else {
            panic!("no help")
        };
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for arg in command().get_arguments().filter_map(clap::Arg::get_long) {
            assert!(help.contains(&format!("--{arg}")), "{arg}");
        }
    }
}
