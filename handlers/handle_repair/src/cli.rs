//! The command line that `handle_repair` and `repair_worker` share. Only this module uses clap. It
//! validates all values before it returns them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, Parser};
use plugin_kit::Problem;
use policy::{Event, JobId, ObjectState, spell, unspell};

use policy_file::{Config, HostRoute};

/// Repair a broken service or host, as Nagios' event handler or by hand
///
/// Pass the macros $SERVICESTATE$ $SERVICESTATETYPE$ $SERVICEATTEMPT$ as arguments, or the
/// corresponding $HOST...$ macros if the event is about a host. An option is ignored if its value
/// is empty or is a macro that Nagios did not expand. Names can contain any bytes. The output shows
/// a byte that is not valid UTF-8 in hexadecimal, for example as \xF6.
#[derive(Debug, Parser)]
#[command(
    name = "handle_repair",
    version,
    max_term_width = 80,
    after_help = "Exit codes:
  0  the repair was successful, the call was queued for a worker, or
     the policy calls for no action
  1  the repair ran, but the fault is still there
  2  the repair could not run, or its outcome is unknown
  3  the arguments or the configuration are wrong; nothing was run

Examples:
  Show what would happen, and why:
    handle_repair CRITICAL SOFT 3 --host web1 --service HTTP \\
        --repair httpd --dry-run --explain
  Repair now and watch:
    handle_repair CRITICAL HARD 4 --host web1 --service HTTP \\
        --repair httpd --foreground"
)]
struct Arguments {
    /// State of the service (OK, WARNING, UNKNOWN or CRITICAL) or of the host (UP,
    /// DOWN or UNREACHABLE)
    #[arg(value_name = "STATE")]
    state: String,
    /// State type: SOFT or HARD
    #[arg(value_name = "STATETYPE")]
    state_type: String,
    /// Number of the check attempt
    #[arg(value_name = "ATTEMPT")]
    attempt: String,

    /// Name of the host in Nagios
    #[arg(long, value_name = "NAME", help_heading = "Host and service")]
    host: OsString,
    /// Address of the host [default: its name]
    #[arg(long, value_name = "ADDR", help_heading = "Host and service")]
    address: Option<OsString>,
    /// Description of the service; without it, the event is about the host
    #[arg(long, value_name = "DESC", help_heading = "Host and service")]
    service: Option<OsString>,
    /// Name of the repair, $_SERVICEREPAIR$; without it, nothing is repaired
    #[arg(long, value_name = "NAME", help_heading = "Host and service")]
    repair: Option<OsString>,

    /// Maximum number of check attempts, $MAXSERVICEATTEMPTS$; it shows which SOFT
    /// attempt is the last one
    #[arg(long, value_name = "N", help_heading = "Other Nagios macros")]
    max_attempts: Option<String>,
    /// State of the host, $HOSTSTATE$; if the host is not UP, nothing is repaired
    #[arg(long, value_name = "STATE", help_heading = "Other Nagios macros")]
    host_state: Option<String>,
    /// Result of the previous check, $LASTSERVICESTATE$
    #[arg(long, value_name = "STATE", help_heading = "Other Nagios macros")]
    last_state: Option<String>,
    /// Downtime depth of the service, $SERVICEDOWNTIME$
    #[arg(long, value_name = "N", help_heading = "Other Nagios macros")]
    downtime: Option<String>,
    /// Downtime depth of the host, $HOSTDOWNTIME$
    #[arg(long, value_name = "N", help_heading = "Other Nagios macros")]
    host_downtime: Option<String>,
    /// Problem ID, $SERVICEPROBLEMID$; with it, no event is handled twice
    #[arg(long, value_name = "N", help_heading = "Other Nagios macros")]
    problem_id: Option<String>,
    /// $LASTSERVICECHECK$, the time of the check that found the fault, in seconds
    /// since 1970; nothing is repaired if it is too long ago
    #[arg(long, value_name = "EPOCH", help_heading = "Other Nagios macros")]
    seen: Option<String>,

    /// Read the policy from FILE
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/nagios-selfheal/policy.json",
        help_heading = "Mode"
    )]
    policy: PathBuf,
    /// Show what would happen, but run nothing and write nothing
    #[arg(long, help_heading = "Mode")]
    dry_run: bool,
    /// Print the rules that led to the decision
    #[arg(long, help_heading = "Mode")]
    explain: bool,
    /// Wait for the repair and show its progress; Ctrl-C ends the wait and skips
    /// the check, but does not stop the repair
    #[arg(long, help_heading = "Mode")]
    foreground: bool,

    /// Job ID that the handler assigned to this repair.
    #[arg(long, hide = true, value_name = "ID")]
    job: Option<String>,
}

/// A parsed and validated command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The event that Nagios reports.
    pub event: Event,
    /// Address of the host. Like the names in the event, it is encoded by [`policy::spell`].
    pub address: String,
    /// The policy file and the mode of this run.
    pub options: Options,
}

/// The options that do not describe the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Absolute path of the policy file.
    pub policy: PathBuf,
    /// Whether to run the repair, and whether to wait for it.
    pub mode: Mode,
    /// Whether to print the rules that led to the decision.
    pub explain: bool,
    /// Job ID that the handler assigned to this repair; `None` in the handler itself.
    pub job: Option<JobId>,
    /// Time when a check found the fault; if `None`, the time of the handler call is used instead.
    /// Only later checks can show a recovery.
    pub seen: Option<SystemTime>,
}

/// Whether to run the repair, and whether to wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The worker continues after the handler has ended.
    Background,
    /// The caller waits for the repair and sees its progress.
    Foreground,
    /// The program only prints the decision. It runs and writes nothing.
    DryRun,
}

impl Options {
    /// Returns the options that apply when Nagios calls the handler.
    pub fn background(policy: PathBuf) -> Options {
        Options { policy, mode: Mode::Background, explain: false, job: None, seen: None }
    }
}

impl Invocation {
    /// Replaces `{host}`, `{address}` and `{service}` in a command with the bytes that Nagios
    /// passed. A value stays within its word even if it contains spaces.
    pub fn fill(&self, argv: &[String]) -> Vec<OsString> {
        let values = self.values().map(|(holder, value)| (holder, unspell(value)));
        argv.iter().map(|word| OsString::from_vec(fill(word, &values))).collect()
    }

    /// Fills in the command like [`Invocation::fill`], and returns it as one printable line.
    pub fn filled_text(&self, argv: &[String]) -> String {
        let values = self.values().map(|(holder, value)| (holder, value.as_bytes().to_vec()));
        let words = argv.iter().map(|word| fill(word, &values));
        String::from_utf8_lossy(&words.collect::<Vec<_>>().join(&b' ')).into_owned()
    }

    fn values(&self) -> [(&'static str, &str); 3] {
        let service = self.event.service.as_deref().unwrap_or_default();
        [("{host}", &self.event.host), ("{address}", &self.address), ("{service}", service)]
    }

    /// Returns the route to the gate of the host `at`, or of the event's host if `at` is `None`.
    pub fn route(&self, config: &Config, at: Option<&str>) -> HostRoute {
        match at {
            Some(other) if other != self.event.host => config.routes.route(other, None),
            _ => config.routes.route(&self.event.host, Some(&self.address)),
        }
    }
}

/// Replaces all placeholders in one pass, so that a placeholder inside a value is not expanded.
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

/// Returns the argument `--option=NAME` for [`read`]. Decodes an escaped name to its original
/// bytes.
pub fn with_name(option: &str, name: &str) -> OsString {
    with_value(option, OsStr::from_bytes(&unspell(name)))
}

/// Returns the argument `--option=VALUE` for [`read`].
pub fn with_value(option: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut word = OsString::from(option);
    word.push("=");
    word.push(value);
    word
}

/// Returns the clap command of `handle_repair`, for man pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Parses and validates the arguments that follow the program's name.
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
        "; if this is the state of a service, --service must be given and not empty"
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
        // Nagios passes 0 when the object has no problem, so 0 is not the ID of a problem.
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
    let seen = optional(words.seen, |text| time("--seen", text))?.flatten();
    // The worker changes to another directory, so the path must be absolute.
    let policy = std::path::absolute(&words.policy).map_err(|why| format!("--policy: {why}"))?;
    let mode = match (words.dry_run, words.foreground) {
        (true, _) => Mode::DryRun,
        (false, true) => Mode::Foreground,
        (false, false) => Mode::Background,
    };
    let options = Options { policy, mode, explain: words.explain, job, seen };
    Ok(Invocation { event, address, options })
}

/// Drops a value that is empty or a macro that Nagios did not expand (`$_SERVICEREPAIR$`).
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

/// Parses a time in seconds since 1970, which can have decimals. Returns `None` for 0, which means
/// that no check has run yet.
fn time(what: &str, text: &str) -> Result<Option<SystemTime>, String> {
    let since = Duration::try_from_secs_f64(number(what, text)?).ok();
    let time = since.and_then(|since| UNIX_EPOCH.checked_add(since));
    let time = time.ok_or_else(|| {
        format!("{what} is '{}', which is not a time in seconds since 1970", text.escape_debug())
    })?;
    Ok((time > UNIX_EPOCH).then_some(time))
}

/// Rejects names that could act as an option or end a line or a field, because names are passed to
/// other programs as arguments and written to Nagios' command file.
fn plain(option: &str, value: &str) -> Result<(), String> {
    if value.starts_with('-') || value.chars().any(|c| c.is_control() || c == ';') {
        return Err(format!(
            "{option} is '{}': it must not begin with '-' or contain ';' or control characters",
            plugin_kit::clean(value)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
