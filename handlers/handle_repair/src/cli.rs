//! The command line of both programs. The only file that knows clap; what it returns is checked.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, Parser};
use plugin_kit::Problem;
use policy::{Event, JobId, ObjectState, spell, unspell};

use policy_file::{Config, HostRoute};

/// Repairs what Nagios sees break: called by Nagios as an event handler, or by hand.
///
/// The three words are $SERVICESTATE$ $SERVICESTATETYPE$ $SERVICEATTEMPT$, or the $HOST...$ three
/// without --service. An empty value, or a macro that Nagios left unexpanded, counts as not given.
/// Names may hold any bytes; in the output a byte that is not UTF-8 is spelled \xF6.
#[derive(Debug, Parser)]
#[command(
    name = "handle_repair",
    version,
    max_term_width = 80,
    after_help = "Exit codes:
  0  did what the policy says: repaired, dispatched to the worker, or
     no action
  1  a repair ran and the fault is still there
  2  could not run, or could not know
  3  bad arguments or configuration; nothing was run

Examples:
  What would happen, and why?
    handle_repair CRITICAL SOFT 3 --host web1 --service HTTP \\
        --repair httpd --dry-run --explain
  Repair now and watch:
    handle_repair CRITICAL HARD 4 --host web1 --service HTTP \\
        --repair httpd --foreground"
)]
struct Arguments {
    /// OK, WARNING, UNKNOWN or CRITICAL; for a host UP, DOWN or UNREACHABLE
    #[arg(value_name = "STATE")]
    state: String,
    /// SOFT or HARD
    #[arg(value_name = "STATETYPE")]
    state_type: String,
    /// The number of the check attempt
    #[arg(value_name = "ATTEMPT")]
    attempt: String,

    /// The host's name in Nagios
    #[arg(long, value_name = "NAME", help_heading = "The object")]
    host: OsString,
    /// Where the host is reached [default: its name]
    #[arg(long, value_name = "ADDR", help_heading = "The object")]
    address: Option<OsString>,
    /// The service's description; without it the event is the host's own
    #[arg(long, value_name = "DESC", help_heading = "The object")]
    service: Option<OsString>,
    /// The repair it opts in to, $_SERVICEREPAIR$; without one nothing is repaired
    #[arg(long, value_name = "NAME", help_heading = "The object")]
    repair: Option<OsString>,

    /// $MAXSERVICEATTEMPTS$: with it the last SOFT attempt is known
    #[arg(long, value_name = "N", help_heading = "What else Nagios knows")]
    max_attempts: Option<String>,
    /// $HOSTSTATE$: nothing is repaired on a host that is not UP
    #[arg(long, value_name = "STATE", help_heading = "What else Nagios knows")]
    host_state: Option<String>,
    /// $LASTSERVICESTATE$
    #[arg(long, value_name = "STATE", help_heading = "What else Nagios knows")]
    last_state: Option<String>,
    /// $SERVICEDOWNTIME$: the depth of downtime
    #[arg(long, value_name = "N", help_heading = "What else Nagios knows")]
    downtime: Option<String>,
    /// $HOSTDOWNTIME$: the depth of the host's downtime
    #[arg(long, value_name = "N", help_heading = "What else Nagios knows")]
    host_downtime: Option<String>,
    /// $SERVICEPROBLEMID$: the same event is then never answered twice
    #[arg(long, value_name = "N", help_heading = "What else Nagios knows")]
    problem_id: Option<String>,

    /// The rules
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/nagios-selfheal/policy.json",
        help_heading = "How to run"
    )]
    policy: PathBuf,
    /// Say what would happen; run and write nothing
    #[arg(long, help_heading = "How to run")]
    dry_run: bool,
    /// Say which rules led there
    #[arg(long, help_heading = "How to run")]
    explain: bool,
    /// Wait for the repair and show its progress; Ctrl-C ends the wait, and the
    /// check after it, but nothing that runs on the host
    #[arg(long, help_heading = "How to run")]
    foreground: bool,

    /// The identity that the handler gave this repair.
    #[arg(long, hide = true, value_name = "ID")]
    job: Option<String>,
    /// When Nagios saw what the sweep goes by, in seconds since 1970.
    #[arg(long, hide = true, value_name = "SECONDS")]
    seen: Option<String>,
}

/// A command line, read once: the event, where the host is, and how to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What Nagios reports.
    pub event: Event,
    /// Where the host is reached, spelled as the names of the event are.
    pub address: String,
    /// How to run.
    pub options: Options,
}

/// How to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The policy's file.
    pub policy: PathBuf,
    /// Whether anything is run, and who waits for it.
    pub mode: Mode,
    /// Print which rules led to the decision.
    pub explain: bool,
    /// The identity that the handler gave this repair; `None` for the handler itself.
    pub job: Option<JobId>,
    /// When Nagios saw the fault, if that was not just now: the sweep goes by its status file. What
    /// is newer is believed.
    pub seen: Option<SystemTime>,
}

/// Whether anything is run, and who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The worker runs on after the handler has ended.
    Background,
    /// A person waits and watches.
    Foreground,
    /// Nothing is run or written.
    DryRun,
}

impl Options {
    /// The options of a call that Nagios makes.
    pub fn background(policy: PathBuf) -> Options {
        Options { policy, mode: Mode::Background, explain: false, job: None, seen: None }
    }
}

impl Invocation {
    /// Returns a command with `{host}`, `{address}` and `{service}` filled in, each within its own
    /// word, as the bytes that Nagios gave.
    pub fn fill(&self, argv: &[String]) -> Vec<OsString> {
        let values = self.values().map(|(holder, value)| (holder, unspell(value)));
        argv.iter().map(|word| OsString::from_vec(fill(word, &values))).collect()
    }

    /// The same command for people.
    pub fn filled_text(&self, argv: &[String]) -> String {
        let values = self.values().map(|(holder, value)| (holder, value.as_bytes().to_vec()));
        let words = argv.iter().map(|word| fill(word, &values));
        String::from_utf8_lossy(&words.collect::<Vec<_>>().join(&b' ')).into_owned()
    }

    fn values(&self) -> [(&'static str, &str); 3] {
        let service = self.event.service.as_deref().unwrap_or_default();
        [("{host}", &self.event.host), ("{address}", &self.address), ("{service}", service)]
    }

    /// Returns how the gate of a rung is reached: the host's own, or that of the host `at`.
    pub fn route(&self, config: &Config, at: Option<&str>) -> HostRoute {
        match at {
            Some(other) if other != self.event.host => config.routes.route(other, None),
            _ => config.routes.route(&self.event.host, Some(&self.address)),
        }
    }
}

/// Fills all place holders in one pass: what a value holds is never a place holder itself.
fn fill(word: &str, values: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut filled, mut rest) = (Vec::new(), word);
    while let Some(open) = rest.find('{') {
        let (before, at) = rest.split_at(open);
        filled.extend_from_slice(before.as_bytes());
        match values
            .iter()
            .find_map(|(name, value)| at.strip_prefix(name).map(|after| (value, after)))
        {
            Some((value, after)) => {
                filled.extend_from_slice(value);
                rest = after;
            }
            None => {
                filled.push(b'{');
                rest = at.strip_prefix('{').unwrap_or_default();
            }
        }
    }
    filled.extend_from_slice(rest.as_bytes());
    filled
}

/// Returns the word `--option=NAME` for [`read`], with the bytes of a spelled name.
pub fn with_name(option: &str, name: &str) -> OsString {
    with_value(option, OsStr::from_bytes(&unspell(name)))
}

/// Returns the word `--option=VALUE` for [`read`].
pub fn with_value(option: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut word = OsString::from(option);
    word.push("=");
    word.push(value);
    word
}

/// The options of `handle_repair`, for man pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Reads the arguments after the program's name.
pub fn read(argv: &[OsString]) -> Result<Invocation, Problem> {
    let name = OsString::from("handle_repair");
    let words = Arguments::try_parse_from(std::iter::once(&name).chain(argv))
        .map_err(|error| Problem::misread(&error, "(see --help); nothing was run"))?;
    check(words).map_err(|what| Problem::Usage(format!("{what}; nothing was run")))
}

fn check(words: Arguments) -> Result<Invocation, String> {
    let name = |bytes: Option<OsString>| given(bytes.map(|bytes| spell(bytes.as_bytes())));
    let host = name(Some(words.host)).ok_or("--host is empty: give the host's name in Nagios")?;
    let address = name(words.address).unwrap_or_else(|| host.clone());
    let service = name(words.service);
    for (option, value) in
        [("--host", Some(&host)), ("--address", Some(&address)), ("--service", service.as_ref())]
    {
        if let Some(value) = value {
            plain(option, value)?;
        }
    }
    let read_state = if service.is_some() { ObjectState::of_service } else { ObjectState::of_host };
    let forgotten = service.is_none() && ObjectState::of_service(&words.state).is_ok();
    let hint = if forgotten {
        "; for that of a service, --service must be given and not empty"
    } else {
        ""
    };
    let event = Event {
        state: read_state(&words.state).map_err(|bad| format!("{bad}{hint}"))?,
        state_type: words.state_type.parse().map_err(|bad: policy::BadWord| bad.to_string())?,
        attempt: number("the attempt", &words.attempt)?,
        max_attempts: optional(words.max_attempts, |text| number("--max-attempts", text))?,
        host_state: optional(words.host_state, |text| {
            ObjectState::of_host(text).map_err(|bad| format!("--host-state: {bad}"))
        })?,
        last_state: optional(words.last_state, |text| {
            read_state(text).map_err(|bad| format!("--last-state: {bad}"))
        })?,
        downtime: optional(words.downtime, |text| number("--downtime", text))?.unwrap_or(0),
        host_downtime: optional(words.host_downtime, |text| number("--host-downtime", text))?
            .unwrap_or(0),
        // Nagios says 0 when it counts no problem: that identifies nothing.
        problem_id: given(words.problem_id).filter(|id| id != "0"),
        repair: name(words.repair)
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|bad: policy::BadName| format!("--repair: {bad}"))?,
        host,
        service,
    };
    let job = optional(words.job, |text| {
        text.parse().map_err(|bad: policy::BadName| format!("--job: {bad}"))
    })?;
    let seen = optional(words.seen, |text| number("--seen", text))?;
    let seen = seen.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    // Made whole here: the worker leaves the directory it was called in.
    let policy = std::path::absolute(&words.policy).map_err(|why| format!("--policy: {why}"))?;
    let mode = match (words.dry_run, words.foreground) {
        (true, _) => Mode::DryRun,
        (false, true) => Mode::Foreground,
        (false, false) => Mode::Background,
    };
    let options = Options { policy, mode, explain: words.explain, job, seen };
    Ok(Invocation { event, address, options })
}

/// A value that Nagios really gave: not empty, and not a macro it left as it was
/// (`$_SERVICEREPAIR$`).
fn given(value: Option<String>) -> Option<String> {
    value.filter(|text| {
        let inner = text.strip_prefix('$').and_then(|rest| rest.strip_suffix('$'));
        let macro_name = |name: &str| {
            name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        !text.is_empty() && !inner.is_some_and(macro_name)
    })
}

fn optional<T>(
    value: Option<String>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    given(value).as_deref().map(read).transpose()
}

fn number<N: FromStr>(what: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{what} is '{}', which is not a number", text.escape_debug()))
}

/// These become words of other programs' command lines and lines of Nagios' command file.
fn plain(option: &str, value: &str) -> Result<(), String> {
    if value.starts_with('-') || value.chars().any(|c| c.is_control() || c == ';') {
        return Err(format!(
            "{option} is '{}': it may not begin with '-' or hold ';' or control characters",
            plugin_kit::clean(value)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
