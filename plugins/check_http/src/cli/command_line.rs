//! Parses the command line into options. The `convert` module parses the option values.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use clap::{CommandFactory, FromArgMatches};
use plugin_kit::Problem;

use super::argv::{self, OptionSyntax, ValueSyntax};
use super::extra_opts;
use super::options::Cli;
use crate::deadline;
use crate::spec::parse;

/// Returns the clap command, for manual pages and shell completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The parsed options, and facts that depend on the order of the options.
#[derive(Debug)]
pub struct ParsedOptions {
    /// Options as clap parsed them.
    pub cli: Cli,
    /// For each -H, whether an option that implies TLS comes after it. If so, check_http ignores
    /// the port in that -H when it connects.
    pub tls_after_hostname: Vec<bool>,
    /// Whether -6 is given and no -4 follows it. The last of the two options counts.
    pub ipv6_last: bool,
    /// Values of -r and -R, in the order of the command line.
    pub patterns: Vec<PatternOption>,
}

/// A regular expression and the flags that apply to it.
#[derive(Debug)]
pub struct PatternOption {
    /// Text of the expression, as typed.
    pub text: OsString,
    /// Whether this option or an earlier one is -R.
    pub ignore_case: bool,
    /// Whether -l comes before this option.
    pub linespan: bool,
}

/// Parses the arguments after the program's name. `run_start` is when the program started.
pub fn parse(argv: &[OsString], run_start: Instant) -> Result<ParsedOptions, Problem> {
    if argv.is_empty() {
        return Err(Problem::Usage(
            "Could not parse arguments: give -H NAME or -I ADDRESS; see --help".into(),
        ));
    }
    let mut command = command();
    let known = known(&command);
    let takes_value = |name: &str| {
        known.iter().any(|option| {
            option.takes == ValueSyntax::Value && option.names().any(|long| long == name)
        })
    };
    let argv = extra_opts::expand(argv, takes_value, |line| deadline(line, &known, run_start))?;
    let words =
        argv::normalise(&argv, &known).map_err(|problem| Problem::Usage(problem.to_string()))?;
    let line = std::iter::once(OsString::from("check_http")).chain(words);
    let mut matches = command.try_get_matches_from_mut(line).map_err(|error| usage(&error))?;
    let order = OptionOrder::new(&matches);
    let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| usage(&error))?;
    if cli.help {
        return Err(Problem::HelpRequested(command.render_help().to_string()));
    }
    if cli.version {
        return Err(Problem::HelpRequested(format!(
            "check_http v{0} (nagios-selfheal {0})",
            env!("CARGO_PKG_VERSION")
        )));
    }
    let patterns = patterns(&cli, &order);
    // Leak clap's tables. The process exits soon, and freeing the tables would take an eighth of
    // the whole run time.
    std::mem::forget((command, matches));
    Ok(ParsedOptions {
        cli,
        tls_after_hostname: order.tls_after_hostname,
        ipv6_last: order.ipv6_last,
        patterns,
    })
}

/// The positions of some options, and facts that depend on their order. They are read from clap's
/// table of values before the table is converted to [`Cli`], because the conversion empties the
/// table.
struct OptionOrder {
    tls_after_hostname: Vec<bool>,
    ipv6_last: bool,
    /// Positions of -r.
    regex: Vec<usize>,
    /// Positions of -R.
    eregi: Vec<usize>,
    /// Position of the first -l.
    linespan: Option<usize>,
}

impl OptionOrder {
    fn new(matches: &clap::ArgMatches) -> OptionOrder {
        let positions = |id: &str| {
            let typed = matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
            matches.indices_of(id).filter(|_| typed).into_iter().flatten()
        };
        let last = |id: &str| positions(id).max();
        let tls = [
            "ssl",
            "certificate",
            "client_cert",
            "private_key",
            "verify_cert",
            "ca_cert",
            "pin_sha256",
        ]
        .into_iter()
        .filter_map(last)
        .max();
        OptionOrder {
            tls_after_hostname: positions("hostname")
                .map(|position| tls > Some(position))
                .collect(),
            ipv6_last: last("ipv6") > last("ipv4"),
            regex: positions("regex").collect(),
            eregi: positions("eregi").collect(),
            linespan: positions("linespan").min(),
        }
    }
}

/// Returns when a run with the command line `line` must end. Ignores errors in `line`, because they
/// are reported later.
fn deadline(line: &[OsString], known: &[OptionSyntax<'_>], run_start: Instant) -> Option<Instant> {
    let words = argv::normalise(line, known).unwrap_or_default();
    let typed = words.iter().rev().find_map(|word| word.as_bytes().strip_prefix(b"--timeout="));
    let limit =
        parse::timeout(typed.map(OsStr::from_bytes), None).or_else(|_| parse::timeout(None, None));
    deadline::end_of(run_start, limit.ok().and_then(|(limit, _)| limit))
}

/// Returns the names of each option, and how the option takes a value.
pub(super) fn known(command: &clap::Command) -> Vec<OptionSyntax<'_>> {
    command
        .get_arguments()
        // Leave out --extra-opts, which has already been replaced with the options from its file. A
        // prefix of its name is then rejected as an unknown option.
        .filter(|arg| arg.get_id() != "extra_opts")
        .filter_map(|arg| {
            let takes = match arg.get_num_args() {
                Some(range) if range.takes_values() && range.min_values() == 0 => {
                    ValueSyntax::Attached
                }
                _ if arg.get_action().takes_values() => ValueSyntax::Value,
                _ => ValueSyntax::Nothing,
            };
            let aliases = arg.get_all_aliases();
            Some(OptionSyntax {
                short: arg.get_short(),
                long: arg.get_long()?,
                alias: aliases.and_then(|aliases| aliases.into_iter().next()),
                takes,
            })
        })
        .collect()
}

fn patterns(cli: &Cli, order: &OptionOrder) -> Vec<PatternOption> {
    let regex = order.regex.iter().zip(&cli.regex);
    let mut typed: Vec<_> = regex.chain(order.eregi.iter().zip(&cli.eregi)).collect();
    typed.sort_by_key(|(position, _)| **position);
    typed
        .into_iter()
        .map(|(position, text)| PatternOption {
            text: text.clone(),
            ignore_case: order.eregi.iter().any(|insensitive| insensitive <= position),
            linespan: order.linespan.is_some_and(|flag| flag < *position),
        })
        .collect()
}

/// Returns a problem with the first line of clap's error. The module `argv` reports most errors
/// before clap runs.
fn usage(error: &clap::Error) -> Problem {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Problem::Usage(first.strip_prefix("error: ").unwrap_or(first).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> ParsedOptions {
        parse(&words.split(' ').map(OsString::from).collect::<Vec<_>>(), Instant::now()).unwrap()
    }

    #[test]
    fn uses_the_last_of_repeated_options() {
        let cli = parsed("-H a -H b -u /x -u /y -k 1 -k 2 -P first -P second").cli;
        assert_eq!(cli.hostname, ["a", "b"]);
        assert_eq!(cli.url.as_deref(), Some(OsStr::new("/y")));
        assert_eq!(cli.header, ["1", "2"]);
        assert_eq!(cli.post.first(), Some(&"first".into()));
    }

    #[test]
    fn rejects_prefixes_of_extra_opts() {
        for word in ["--extra-opt=@/no/such/file", "--extra=@/no/such/file"] {
            let refused = parse(&["-H".into(), "h".into(), word.into()], Instant::now())
                .map_err(|problem| problem.to_string());
            let expected = "unrecognized option '--extra";
            assert!(refused.is_err_and(|why| why.starts_with(expected)), "{word}");
        }
    }

    #[test]
    fn applies_flags_to_later_patterns() {
        let patterns = parsed("-r a -R b -l -r c").patterns;
        let seen: Vec<_> = patterns
            .iter()
            .map(|p| (p.text.to_str().unwrap(), p.ignore_case, p.linespan))
            .collect();
        assert_eq!(seen, [("a", false, false), ("b", true, false), ("c", true, true)]);
    }

    #[test]
    fn detects_tls_options_after_hostname() {
        assert_eq!(parsed("-H h:8080 -S").tls_after_hostname, [true]);
        assert_eq!(parsed("-S -H h:8443").tls_after_hostname, [false]);
        assert_eq!(parsed("-S1.2+ -H h:8443 -C 5 -H h").tls_after_hostname, [true, false]);
    }

    #[test]
    fn help_fits_eighty_columns_and_lists_every_option() {
        let Err(Problem::HelpRequested(help)) = parse(&["-h".into()], Instant::now()) else {
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
