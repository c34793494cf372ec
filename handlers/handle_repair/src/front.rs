//! What Nagios calls: decides, and hands what is to be repaired to the worker.
//!
//! This runs on every state change of every service, so it loads nothing that only acting needs.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use plugin_kit::{Outcome, Problem, State};
use policy::{JobId, Reason, consider};

use crate::cli::{self, Call};
use crate::{explain, job};

/// The worker's name, beside this program or in the libexec directory.
const WORKER: &str = "repair_worker";
/// Where packages put it.
const LIBEXEC: &str = match option_env!("SELFHEAL_LIBEXECDIR") {
    Some(path) => path,
    None => "/usr/libexec/nagios-selfheal",
};

/// The story of one call.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let call = cli::read(argv)?;
    let config = policy_file::read(&call.policy)
        .map_err(|bad| Problem::Usage(format!("{bad}; nothing was run")))?;
    let why = match consider(&call.event, &config.policy) {
        Ok((name, _)) => {
            privsep::refuse_root(config.directories(), argv)?;
            let job = job::new().map_err(|error| {
                Problem::Internal(format!("/dev/urandom: {error}; nothing was run"))
            })?;
            let handed = if call.dry_run || call.foreground {
                become_worker(&job, argv)
            } else {
                start_worker(&job, argv).map(drop)
            };
            return Ok(match handed {
                Ok(()) => Outcome::new(
                    State::Ok,
                    format!("HANDED OVER {}: job {job} runs repair {name}", call.event.object()),
                ),
                Err(why) => Outcome::new(
                    State::Critical,
                    format!("{}: {why}; nothing was run", call.event.object()),
                ),
            });
        }
        Err(why) => why,
    };
    let detail = if call.explain { explain::lines(&call, &config, None) } else { Vec::new() };
    Ok(detail.into_iter().fold(stand_still(&call, &why), Outcome::line))
}

/// The line of a call that does nothing. A repair that the policy does not know is a mistake in the
/// configuration: it ends as 3, because Nagios logs what a handler says only when it does not end
/// as 0.
pub(crate) fn stand_still(call: &Call, why: &Reason) -> Outcome {
    let state = if matches!(why, Reason::UnknownRepair(_)) { State::Unknown } else { State::Ok };
    Outcome::new(
        state,
        format!("NO ACTION {} ({}): {why}", call.event.object(), explain::event_text(&call.event)),
    )
}

/// Starts the worker so that it outlives us: Nagios kills our process group at
/// `event_handler_timeout`, and a child that kept our descriptors would stall the Nagios worker
/// that waits on them. `argv` are the words of `handle_repair`.
pub fn start_worker(job: &JobId, argv: &[OsString]) -> Result<Child, String> {
    worker_command(job, argv, |command| {
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    })
}

/// Becomes the worker: its output and exit code are ours.
fn become_worker(job: &JobId, argv: &[OsString]) -> Result<(), String> {
    worker_command(job, argv, |command| Err(command.exec()))
}

fn worker_command<T>(
    job: &JobId,
    argv: &[OsString],
    run: impl Fn(&mut Command) -> io::Result<T>,
) -> Result<T, String> {
    let places = worker_places(env::current_exe().ok().as_deref());
    for place in &places {
        match run(Command::new(place).arg(format!("--job={job}")).args(argv)) {
            Ok(run) => return Ok(run),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(format!("cannot start {}: {why}", place.display())),
        }
    }
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    Err(format!("the worker is not installed: looked for {}", places.join(", ")))
}

/// Where the worker may be, for the program `us`. Beside us first: whoever can write there could
/// replace us as well.
pub fn worker_places(us: Option<&Path>) -> Vec<PathBuf> {
    let beside = us.and_then(Path::parent);
    let prefixed =
        beside.and_then(Path::parent).map(|prefix| prefix.join("libexec/nagios-selfheal"));
    let mut places = Vec::new();
    for directory in
        [beside.map(Path::to_owned), prefixed, Some(LIBEXEC.into())].into_iter().flatten()
    {
        let place = directory.join(WORKER);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_is_looked_for_beside_us_and_in_libexec() {
        let places = worker_places(Some(Path::new("/opt/heal/bin/handle_repair")));
        assert_eq!(
            places,
            [
                "/opt/heal/bin/repair_worker",
                "/opt/heal/libexec/nagios-selfheal/repair_worker",
                "/usr/libexec/nagios-selfheal/repair_worker"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(worker_places(Some(Path::new("/usr/bin/handle_repair"))).len(), 2);
    }
}
