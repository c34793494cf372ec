//! Parses the command line and returns checked options. No other module uses clap.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use plugin_kit::{Problem, Range};
use policy::spell;
use policy_file::Span;

/// Report the state of repairs to Nagios.
///
/// The state is CRITICAL if a breaker is open, if the fleet has used up its budget, or if the
/// plugin cannot use the ledger, because no repair can run without the ledger. The state is WARNING
/// if repairs are paused, have failed or have an unknown outcome, if an object has used up its
/// budget, or if the fleet has nearly used up its budget.
#[derive(Debug, Parser)]
#[command(
    name = "check_repairs",
    version,
    max_term_width = 80,
    after_help = "A RANGE is [@]START:END, as in all plugins. For example, values above 3 are
outside the range 3.

Examples:
  check_repairs -w 2 -c 10 --window 24h
  check_repairs --gate web1 -t 5"
)]
struct CheckRepairsArgs {
    /// Return WARNING if the number of failed repairs is outside this range. Repairs
    /// that did not help, could not run, or relapsed count as failed. With --gate,
    /// compare the longest response time in seconds with the range instead
    #[arg(
        short,
        long,
        value_name = "RANGE",
        allow_hyphen_values = true,
        help_heading = "Thresholds"
    )]
    warning: Option<String>,
    /// Return CRITICAL if the number of failed repairs is outside this range. With
    /// --gate, compare the longest response time in seconds with the range instead
    #[arg(
        short,
        long,
        value_name = "RANGE",
        allow_hyphen_values = true,
        help_heading = "Thresholds"
    )]
    critical: Option<String>,
    /// Return WARNING if the used percentage of the fleet's budget is outside this
    /// range
    #[arg(
        long,
        value_name = "RANGE",
        default_value = "80",
        conflicts_with = "gate",
        help_heading = "Thresholds"
    )]
    budget_warning: String,
    /// Return CRITICAL if the used percentage of the fleet's budget is outside this
    /// range
    #[arg(
        long,
        value_name = "RANGE",
        default_value = "99",
        conflicts_with = "gate",
        help_heading = "Thresholds"
    )]
    budget_critical: String,
    /// Count the repairs of the last SPAN
    #[arg(
        long,
        value_name = "SPAN",
        default_value = "24h",
        conflicts_with = "gate",
        help_heading = "Thresholds"
    )]
    window: String,

    /// Check only the gate of this host. Return CRITICAL if the gate does not
    /// answer, and WARNING if the gate would refuse a repair now because the budget
    /// is used up, because there are too many records of the repair, or because
    /// repairs are on hold. A cooldown or a running repair is OK. Repeat this
    /// option for more hosts. Write HOST=ADDRESS if the policy has no address for
    /// the host
    #[arg(long, value_name = "HOST", help_heading = "What to check")]
    gate: Vec<OsString>,
    /// Read the policy from this file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/nagios-selfheal/policy.json",
        help_heading = "What to check"
    )]
    policy: PathBuf,

    /// Give up after this many seconds
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "How to run"
    )]
    timeout: u16,
    /// Print the hosts and jobs of every problem; with -vv, also print the totals
    /// or, with --gate, a line for each gate
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "How to run")]
    verbose: u8,
}

/// The options, with their values checked.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// What to check: the ledger, or gates.
    pub mode: CheckMode,
    /// Path of policy.json.
    pub policy: PathBuf,
    /// Time limit for the whole check.
    pub timeout: Duration,
    /// Level of detail. 0 prints one line, 1 adds the details of all problems, and 2 or more also
    /// adds the totals or a line for each gate.
    pub verbose: u8,
}

/// What to check.
#[derive(Debug, Clone)]
pub enum CheckMode {
    /// Check the ledger, which records all repairs.
    Ledger(LedgerCheck),
    /// Check whether gates answer and would run repairs.
    Gates(GatesCheck),
}

/// What to check in the ledger, with the thresholds.
#[derive(Debug, Clone)]
pub struct LedgerCheck {
    /// How far back repairs are counted.
    pub window: Duration,
    /// Thresholds for the number of failed repairs.
    pub failed: Thresholds,
    /// Thresholds for the used percentage of the fleet's budget.
    pub budget: Thresholds,
}

/// Which gates to check, with the thresholds.
#[derive(Debug, Clone)]
pub struct GatesCheck {
    /// Hosts whose gates are checked.
    pub gates: Vec<GateHost>,
    /// Thresholds for the longest response time, in seconds.
    pub seconds: Thresholds,
}

/// A host whose gate is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateHost {
    /// Name of the host in Nagios, as encoded by [`policy::spell`].
    pub host: String,
    /// Address from the command line. It is needed if the policy has no address for the host.
    pub address: Option<String>,
}

/// Threshold ranges for a value.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Range for WARNING; `None` means that the value never causes a WARNING.
    pub warning: Option<Range>,
    /// Range for CRITICAL; `None` means that the value never causes a CRITICAL.
    pub critical: Option<Range>,
}

/// Returns the clap command, for the manual page and the completions.
pub fn command() -> clap::Command {
    CheckRepairsArgs::command()
}

/// Parses the arguments. `argv` does not contain the name of the program.
pub fn read(argv: &[OsString]) -> Result<CheckOptions, Problem> {
    let name = OsString::from("check_repairs");
    let args = CheckRepairsArgs::try_parse_from(std::iter::once(&name).chain(argv))
        .map_err(|error| Problem::misread(&error, "(see --help)"))?;
    check(args).map_err(Problem::Usage)
}

fn check(args: CheckRepairsArgs) -> Result<CheckOptions, String> {
    let (warning, critical) =
        (range("--warning", args.warning)?, range("--critical", args.critical)?);
    let mode = if args.gate.is_empty() {
        // By default, warn about a single failure. How many failures are CRITICAL depends on the
        // size of the site, so that threshold has no default.
        let warning = Some(warning.unwrap_or(Range::at_most(0.0)));
        let budget = Thresholds {
            warning: range("--budget-warning", Some(args.budget_warning))?,
            critical: range("--budget-critical", Some(args.budget_critical))?,
        };
        let Span(window) = args.window.parse().map_err(|bad| format!("--window: {bad}"))?;
        if window.is_zero() {
            return Err("--window: the time must be greater than zero, for example 24h".into());
        }
        let failed = Thresholds { warning, critical };
        CheckMode::Ledger(LedgerCheck { window, failed, budget })
    } else {
        let gates =
            args.gate.iter().map(|word| gate(&spell(word.as_bytes()))).collect::<Result<_, _>>()?;
        CheckMode::Gates(GatesCheck { gates, seconds: Thresholds { warning, critical } })
    };
    Ok(CheckOptions {
        mode,
        policy: args.policy,
        timeout: Duration::from_secs(args.timeout.into()),
        verbose: args.verbose,
    })
}

fn range(option: &str, text: Option<String>) -> Result<Option<Range>, String> {
    text.map(|text| text.parse().map_err(|bad| format!("{option}: {bad}"))).transpose()
}

fn gate(text: &str) -> Result<GateHost, String> {
    let (host, address) = match text.split_once('=') {
        Some((host, address)) => (host, Some(address.to_owned())),
        None => (text, None),
    };
    let bad =
        |word: &str| word.is_empty() || word.starts_with('-') || word.chars().any(char::is_control);
    if bad(host) || address.as_deref().is_some_and(bad) {
        return Err(format!(
            "--gate: '{}' is not a host; use the name of a host in Nagios, or HOST=ADDRESS",
            plugin_kit::clean(text)
        ));
    }
    Ok(GateHost { host: host.to_owned(), address })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn words(text: &str) -> Result<CheckOptions, String> {
        let argv: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        read(&argv).map_err(|problem| problem.to_string())
    }

    #[test]
    fn warns_about_one_failure_by_default() {
        let failed = |text| match words(text).unwrap().mode {
            CheckMode::Ledger(check) => check.failed,
            CheckMode::Gates(_) => panic!("not the ledger"),
        };
        let Thresholds { warning, critical } = failed("");
        let warning = warning.unwrap();
        assert!(warning.alerts(1.0) && !warning.alerts(0.0) && critical.is_none());
        let Thresholds { warning, critical } = failed("-w 2 -c 10");
        assert!(!warning.unwrap().alerts(2.0) && critical.unwrap().alerts(11.0));
        let Thresholds { warning, critical } = failed("-w -5: -c -1:3");
        assert!(!warning.unwrap().alerts(9.0) && critical.unwrap().alerts(4.0));
    }

    #[test]
    fn parses_gates_with_and_without_address() {
        let mode = words("--gate web1 --gate web2=192.0.2.2").unwrap().mode;
        let CheckMode::Gates(GatesCheck { gates, .. }) = mode else { panic!("not gates") };
        assert_eq!(gates[0], GateHost { host: "web1".into(), address: None });
        assert_eq!(gates[1].address.as_deref(), Some("192.0.2.2"));
        let latin1 = OsStr::from_bytes(b"w\xe41=192.0.2.1").to_owned();
        let CheckMode::Gates(GatesCheck { gates, .. }) =
            read(&["--gate".into(), latin1]).unwrap().mode
        else {
            panic!("not gates")
        };
        assert_eq!(gates[0].host, r"w\xE41");
    }

    #[test]
    fn names_invalid_option() {
        for (text, wanted) in [
            ("-w many", "--warning: 'many'"),
            ("--budget-critical 9:1", "--budget-critical"),
            ("--window 5", "--window"),
            ("--window 0s", "--window"),
            ("--gate=-oProxyCommand=x", "--gate"),
            ("--gate =", "--gate"),
            ("--gate web1 --window 3h", "cannot be used with"),
            ("--gate web1 --budget-warning 3", "cannot be used with"),
            ("--budget-critical 3 --gate web1", "cannot be used with"),
            ("-w -c", "'-c' is not a threshold range"),
            ("-t 0", "0"),
            ("extra", "extra"),
        ] {
            let refusal = words(text).unwrap_err();
            assert!(refusal.contains(wanted) && !refusal.contains('\n'), "{text}: {refusal}");
        }
    }

    #[test]
    fn prints_help_within_80_columns() {
        command().debug_assert();
        for line in command().render_long_help().to_string().lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
