//! How a command runs when root calls it: see `privsep`. A command that [`Split`]s looks at what Nagios' user can change
//! in that user's half, and shows it in root's. One that does not runs in that user's half as a whole.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use plugin_kit::{Found, Out, Problem};
use privsep::{Account, Half, Role};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::nagios;
use crate::site::Site;

/// How long root's half waits for the other one: a gate, or a ledger that others hold, is waited for less.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A command in two steps.
pub trait Split {
    /// What it goes by. Root's half takes it for hostile.
    type Data: Serialize + DeserializeOwned;

    /// As whom root has it looked at; `None` when the site is root's own.
    fn account(&self, site: &Site) -> Result<Option<Account>, Problem> {
        site.other_owner()
    }

    /// How long that may take.
    fn within(&self) -> Duration {
        ANSWER_WITHIN
    }

    /// Words for the other half beyond those of the command line: what root alone knows.
    fn more(&self) -> Vec<OsString> {
        Vec::new()
    }

    /// Checks what it needs before anything is looked at.
    fn before(&self, _: &Site) -> Result<(), Problem> {
        Ok(())
    }

    /// Looks at the ledger, Nagios' files and the gates.
    fn look(&self, site: &Site) -> Result<Self::Data, Problem>;

    /// Says what was found. Opens nothing that another account could have put there.
    fn show(&self, data: Self::Data, site: &Site, out: &mut Out) -> Result<Found, Problem>;
}

/// Runs a command that splits; `argv` are the words of this program.
pub fn run<C: Split>(command: &C, site: &Site, argv: &[OsString], out: &mut Out) -> Result<Found, Problem> {
    if site.role() == Role::SteppedDown {
        let answer = command.look(site).map_err(|problem| problem.to_string());
        out.line(serde_json::to_string(&answer).map_err(|why| Problem::Internal(why.to_string()))?);
        return Ok(Found::Fine);
    }
    command.before(site)?;
    let data = match command.account(site)? {
        None => command.look(site)?,
        Some(account) => {
            let half = start(&account, site, &[argv, &command.more()].concat(), Stdio::null())?;
            // What is printed as JSON is escaped there, and says just what is on record.
            let exact = argv.iter().any(|word| word == "--json");
            let answer = half.answer(command.within(), exact).map_err(unsplit)?;
            answer.map_err(|text| Problem::Usage(format!("as {}: {text}", account.name)))?
        }
    };
    command.show(data, site, out)
}

/// Runs a command as a whole, as Nagios' user when root calls it.
pub fn whole(
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
    match status.map_err(unsplit)?.code() {
        Some(0) => Ok(Found::Fine),
        Some(1) => Ok(Found::Wrong),
        Some(2) => Ok(Found::Failed),
        _ => Err(Problem::Usage(format!("this ran as {}, which could not do it", account.name))),
    }
}

fn start(account: &Account, site: &Site, argv: &[OsString], stdin: Stdio) -> Result<Half, Problem> {
    let environment = nagios::environment(account, site.nagios_cfg());
    Half::start(account, environment, argv, stdin).map_err(unsplit)
}

/// Of our descriptors the other half gets the one that `argv` names, `<(...)` of a shell or `/dev/stdin`, as its standard
/// input.
fn with_stdin(argv: &[OsString]) -> Result<(Vec<OsString>, Stdio), Problem> {
    let mut argv = argv.to_vec();
    let Some(named) = argv.iter_mut().find(|word| safe_file::own_descriptor(Path::new(word)).is_some()) else {
        return Ok((argv, Stdio::null()));
    };
    let opened = File::open(&*named).map_err(|why| Problem::Usage(format!("{}: {why}", named.display())))?;
    *named = "/dev/stdin".into();
    Ok((argv, opened.into()))
}

/// A half that could not be made.
pub fn unsplit(why: privsep::Error) -> Problem {
    Problem::Internal(why.to_string())
}
