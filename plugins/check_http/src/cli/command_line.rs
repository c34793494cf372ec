//! Parses the command line into options. The `convert` module parses the option values.

use std::ffi::OsString;
use std::time::Instant;

use plugin_kit::Problem;

use super::options::{Cli, OPTIONS, command};
use super::syntax::{OptionSyntax, TypedOption, ValueSyntax};
use super::{argv, extra_opts};
use crate::deadline;
use crate::spec::parse;

/// The parsed options, and facts that depend on the order of the options.
#[derive(Debug, Default)]
pub struct ParsedOptions {
    /// Values of the options.
    pub cli: Cli,
    /// Words that are used for -I and -H if the options are not given.
    pub operands: Vec<OsString>,
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
    // Leave out --extra-opts, which expand() replaces with the options from its file. As a result,
    // a prefix of the name --extra-opts is rejected as an unknown option.
    let known: Vec<_> = OPTIONS.iter().filter(|option| option.long != "extra-opts").collect();
    let takes_value = |name: &str| {
        known.iter().any(|option| {
            option.takes == ValueSyntax::Value && option.names().any(|long| long == name)
        })
    };
    let argv = extra_opts::expand(argv, takes_value, |line| deadline(line, &known, run_start))?;
    let (typed, operands) =
        argv::parse(&argv, &known).map_err(|problem| Problem::Usage(problem.to_string()))?;
    let options = ParsedOptions::new(typed, operands);
    if options.cli.help {
        return Err(Problem::HelpRequested(command().render_help().to_string()));
    }
    if options.cli.version {
        return Err(Problem::HelpRequested(format!(
            "check_http v{0} (nagios-selfheal {0})",
            env!("CARGO_PKG_VERSION")
        )));
    }
    Ok(options)
}

impl ParsedOptions {
    /// Stores the options, and works out what depends on their order.
    fn new(typed: Vec<TypedOption>, operands: Vec<OsString>) -> ParsedOptions {
        let mut options = ParsedOptions { operands, ..ParsedOptions::default() };
        let (mut ignore_case, mut linespan) = (false, false);
        for TypedOption { option, value } in typed {
            match option.long {
                "hostname" => options.tls_after_hostname.push(false),
                "ssl" | "certificate" | "client-cert" | "private-key" | "verify-cert"
                | "ca-cert" | "pin-sha256" => options.tls_after_hostname.fill(true),
                "use-ipv4" | "use-ipv6" => options.ipv6_last = option.long == "use-ipv6",
                "nohtml" => options.cli.link = false,
                "linespan" => linespan = true,
                "regex" | "eregi" => {
                    ignore_case |= option.long == "eregi";
                    let text = value.clone().unwrap_or_default();
                    options.patterns.push(PatternOption { text, ignore_case, linespan });
                }
                _ => {}
            }
            options.cli.add(option.long, value);
        }
        options
    }
}

/// Returns when a run with the command line `line` must end. Ignores errors in `line`, because they
/// are reported later.
fn deadline(
    line: &[OsString],
    known: &[&'static OptionSyntax],
    run_start: Instant,
) -> Option<Instant> {
    let (options, _) = argv::parse(line, known).unwrap_or_default();
    let mut limits = options.iter().rev().filter(|typed| typed.option.long == "timeout");
    let typed = limits.next().and_then(|typed| typed.value.as_deref());
    let limit = parse::timeout(typed, None).or_else(|_| parse::timeout(None, None));
    deadline::end_of(run_start, limit.ok().and_then(|(limit, _)| limit))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

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
        assert!(parsed("-H h -l -r a -l").patterns[0].linespan);
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
