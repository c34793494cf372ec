//! How a command runs when root calls it: see `privsep`. A command that implements [`Split`]
//! collects its data in the half that is Nagios' user, and prints them in root's. Any other runs in
//! the first of these as a whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use plugin_kit::{Found, Out, Problem};
use privsep::{Account, Half, Role};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::nagios;
use crate::site::Site;

/// How long root's half waits for the other one, which itself waits less for a gate or a locked
/// ledger.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A command in two steps: collect, then show.
pub trait Split {
    /// The data that `collect` returns. Root treats it as hostile.
    type Data: Serialize + DeserializeOwned;

    /// The account that collects for root; `None` if the site is root's own.
    fn account(&self, site: &Site) -> Result<Option<Account>, Problem> {
        site.other_owner()
    }

    /// How long root waits for the data.
    fn timeout(&self) -> Duration {
        ANSWER_WITHIN
    }

    /// Arguments added for the other half: what only root knows.
    fn extra_args(&self) -> Vec<OsString> {
        Vec::new()
    }

    /// Checks arguments and permissions before anything is collected.
    fn validate(&self, _: &Site) -> Result<(), Problem> {
        Ok(())
    }

    /// Reads, and for some commands changes, the ledger, Nagios' files and the gates.
    fn collect(&self, site: &Site) -> Result<Self::Data, Problem>;

    /// Prints the result. Opens nothing that another account could have put there.
    fn show(&self, data: Self::Data, site: &Site, out: &mut Out) -> Result<Found, Problem>;
}

/// Runs a command that splits; `argv` are the arguments of this program.
pub fn run<C: Split>(
    command: &C,
    site: &Site,
    argv: &[OsString],
    out: &mut Out,
) -> Result<Found, Problem> {
    if site.role() == Role::SteppedDown {
        let answer = command.collect(site).map_err(|problem| problem.to_string());
        out.line(serde_json::to_string(&answer).map_err(|why| Problem::Internal(why.to_string()))?);
        return Ok(Found::Fine);
    }
    command.validate(site)?;
    let data = match command.account(site)? {
        None => command.collect(site)?,
        Some(account) => {
            let half = start(&account, site, &with(argv, command.extra_args()), Stdio::null())?;
            // What is printed as JSON is escaped there, and says just what is on record.
            let exact = argv.iter().any(|word| word == "--json");
            half.answer(command.timeout(), exact).map_err(|why| match why {
                privsep::Error::Reported { .. } => Problem::Usage(format!("{why}{}", hint(argv))),
                why => why.into(),
            })?
        }
    };
    command.show(data, site, out)
}

/// Runs a command as a whole; if root calls it, as Nagios' user.
pub fn run_as_nagios(
    site: &Site,
    argv: &[OsString],
    out: &mut Out,
    run: impl FnOnce(&mut Out) -> Result<Found, Problem>,
) -> Result<Found, Problem> {
    let account = match site.role() {
        Role::SteppedDown => None,
        Role::Started => site.any_account()?,
    };
    let Some(account) = account else { return run(out) };
    let (argv, stdin) = with_stdin(argv)?;
    let status = start(&account, site, &argv, stdin)?.relay(|line| {
        out.line(line);
        out.flush();
    });
    match status?.code() {
        Some(0) => Ok(Found::Fine),
        Some(1) => Ok(Found::Wrong),
        Some(2) if hint(&argv).is_empty() => Ok(Found::Failed),
        _ => Err(Problem::Usage(format!(
            "failed while running as {}; see the message above{}",
            account.name,
            hint(&argv)
        ))),
    }
}

/// Explains why the other half does not find a relative path: it may not enter our directory.
fn hint(argv: &[OsString]) -> &'static str {
    let is_closed = fs::metadata(".").is_ok_and(|here| here.mode() & 0o001 == 0);
    let is_relative = || argv.iter().map(Path::new).any(|word| word.is_relative() && word.exists());
    if is_closed && is_relative() {
        "; it may not enter this directory: write whole paths"
    } else {
        ""
    }
}

/// `argv` with `more` options, which must stand before a `--`.
fn with(argv: &[OsString], more: Vec<OsString>) -> Vec<OsString> {
    let options = argv.iter().position(|word| word == "--").unwrap_or(argv.len());
    let (options, rest) = argv.split_at(options);
    [options, &more, rest].concat()
}

fn start(account: &Account, site: &Site, argv: &[OsString], stdin: Stdio) -> Result<Half, Problem> {
    let environment = nagios::environment(account, site.nagios_cfg());
    Ok(Half::start(account, environment, argv, stdin)?)
}

/// Passes the descriptor that `argv` names (`<(...)` of a shell, or `/dev/stdin`) to the other half
/// as its standard input.
fn with_stdin(argv: &[OsString]) -> Result<(Vec<OsString>, Stdio), Problem> {
    let mut argv = argv.to_vec();
    let Some(named) =
        argv.iter_mut().find(|word| safe_file::own_descriptor(Path::new(word)).is_some())
    else {
        return Ok((argv, Stdio::null()));
    };
    let opened =
        File::open(&*named).map_err(|why| Problem::Usage(format!("{}: {why}", named.display())))?;
    *named = "/dev/stdin".into();
    Ok((argv, opened.into()))
}
