//! Checks this server: everything that a repair needs before the gate of a host.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use engine::command_file;
use engine::configuration::{MainFile, ObjectCache};
use engine::status_snapshot::StatusSnapshot;
use handle_repair::handler;
use handle_repair::worker::verify;
use plugin_kit::program_places;
use policy_file::{Config, HostRoute};
use rustix::fs::{Access, access};
use transport::{Error, probe};

use super::finding::{DoctorFinding, cause, note, ok, ok_unless, wrong};
use super::fix::ServerFix;

/// Nagios writes its status every few seconds; older than this, it does not run.
const STATUS_AGE: Duration = Duration::from_secs(300);

/// Checks the programs that verify, the local rungs and the worker.
pub fn programs(config: &Config) -> Vec<DoctorFinding> {
    let rungs: Vec<_> = config.policy.repairs.values().flat_map(|rules| &rules.ladder).collect();
    let (mut found, mut missing, mut local) = (BTreeSet::new(), Vec::new(), Vec::new());
    for rung in &rungs {
        match verify::find(&rung.verify, &verify::places(config)) {
            Ok((program, _)) if runnable(&program) => {
                found.insert(program.display().to_string());
            }
            Ok((program, _)) => {
                missing.push(format!("{} cannot be run by this user", program.display()))
            }
            Err(why) => missing.push(why.to_string()),
        }
        if let Some(argv) = rung.act.program() {
            let program = argv.first().map_or("", String::as_str);
            if !runnable(Path::new(program)) {
                local.push(format!("the rung {program} cannot be run by this user"));
            }
        }
    }
    let found: Vec<String> = found.into_iter().collect();
    let mut findings =
        vec![ok_unless("verify", found.join(", "), missing, ServerFix::InstallVerify)];
    if rungs.iter().any(|rung| rung.act.program().is_some()) {
        findings.push(ok_unless(
            "local rungs",
            "all can be run".into(),
            local,
            ServerFix::InstallLocalRung,
        ));
    }
    let worker = program_places(std::env::current_exe().ok().as_deref(), handler::WORKER);
    findings.push(match worker.iter().find(|place| runnable(place)) {
        Some(place) => ok("worker", place.display().to_string()),
        None => {
            let places: Vec<String> =
                worker.iter().map(|place| place.display().to_string()).collect();
            wrong(
                "worker",
                format!("no repair_worker in {}", places.join(", ")),
                ServerFix::InstallWorker,
            )
        }
    });
    findings
}

fn runnable(program: &Path) -> bool {
    program.is_file() && access(program, Access::EXEC_OK).is_ok()
}

/// Checks each private key once, for any number of hosts that use it.
pub fn keys<'a>(routes: impl Iterator<Item = &'a HostRoute>) -> Vec<DoctorFinding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for route in routes.filter(|route| !route.agent) {
        if seen.insert((&route.key, &route.passphrase_file, route.backend)) {
            findings.push(match probe::private_key(route) {
                Ok(shown) => ok("key", shown),
                Err(why) => wrong("key", cause(&why), key_fix(&why, route)),
            });
        }
    }
    findings
}

fn key_fix(why: &Error, route: &HostRoute) -> ServerFix {
    match why {
        Error::KeyFileUnreadable { .. } if !route.key.exists() => ServerFix::MakeKey,
        Error::KeyFileUnreadable { .. } | Error::KeyFileOpen { .. } => {
            ServerFix::OwnKey { host: route.host.clone() }
        }
        Error::Passphrase { .. } => ServerFix::PassphraseFile,
        _ => ServerFix::NamePrivateKey,
    }
}

/// Checks the ledger.
pub fn ledger(config: &Config) -> DoctorFinding {
    let path = &config.ledger;
    let directory = path.parent().unwrap_or(Path::new("/"));
    if access(directory, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let text = format!("{} is not there, or not this user's to write", directory.display());
        return wrong("ledger", text, ServerFix::MakeLedgerDirectory);
    }
    // Left by root before the directory was given to this user, it keeps that user out.
    if let Some(file) = ledger::unwritable(path) {
        return wrong(
            "ledger",
            format!("{} is not this user's to write", file.display()),
            ServerFix::OwnLedger,
        );
    }
    match ledger::open_read_only(path) {
        Err(ledger::Error::Missing(_)) => {
            ok("ledger", format!("none yet: the first repair makes {}", path.display()))
        }
        Err(
            why @ (ledger::Error::Exposed(_)
            | ledger::Error::Writable(_)
            | ledger::Error::Owner { .. }),
        ) => wrong("ledger", why.to_string(), ServerFix::CloseLedger),
        Err(why) => wrong("ledger", why.to_string(), ServerFix::CorrectLedger),
        Ok(_) => ok("ledger", path.display().to_string()),
    }
}

/// Checks Nagios' command file and status file.
pub fn files_of_nagios(config: &Config) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    match &config.command_file {
        None => findings.push(note(
            "command file",
            "none in the policy: Nagios is not told of repairs, and a recovery is seen at the next \
             check",
            ServerFix::SetCommandFile,
        )),
        Some(file) => findings.push(match command_file::open(file) {
            Ok(_) => ok("command file", file.display().to_string()),
            Err(why) => wrong("command file", why.to_string(), pipe_fix(file)),
        }),
    }
    if let Some(file) = &config.status_file {
        findings.push(status(file));
    }
    findings
}

fn pipe_fix(file: &Path) -> ServerFix {
    match access(file, Access::WRITE_OK) {
        _ if !file.exists() => ServerFix::MakeCommandFile,
        Err(_) => ServerFix::OpenCommandFile,
        Ok(()) => ServerFix::ReadCommandFile,
    }
}

fn status(file: &Path) -> DoctorFinding {
    match StatusSnapshot::read(file).map(|snapshot| snapshot.program.age(SystemTime::now())) {
        Err(why) => wrong(
            "status file",
            format!("{why}; nothing is repaired without it"),
            ServerFix::StatusFile,
        ),
        Ok(age) if age > STATUS_AGE => wrong(
            "status file",
            format!("{} was written {} min ago", file.display(), age.as_secs() / 60),
            ServerFix::StatusFile,
        ),
        Ok(_) => ok("status file", file.display().to_string()),
    }
}

/// Checks the settings of nagios.cfg without which Nagios never calls, or hears of no repair.
pub fn settings(main: &MainFile, config: Option<&Config>) -> DoctorFinding {
    let mut wrong = Vec::new();
    let is = |name: &str, value: &str| main.text(name) == Some(value);
    if is("enable_event_handlers", "0") {
        wrong.push("enable_event_handlers=0: no repair is ever called for".to_owned());
    }
    if let Some(config) = config {
        if config.command_file.is_some() && is("check_external_commands", "0") {
            wrong.push("check_external_commands=0: Nagios does not hear of repairs".to_owned());
        }
        for (name, ours) in
            [("command_file", &config.command_file), ("status_file", &config.status_file)]
        {
            if let (Some(theirs), Some(ours)) = (main.text(name), ours)
                && Path::new(theirs) != ours
            {
                wrong.push(format!("{name} is {theirs}, but {} in the policy", ours.display()));
            }
        }
    }
    let timeout = main.text("event_handler_timeout").and_then(|seconds| seconds.parse().ok());
    if timeout.is_some_and(|seconds: u32| seconds < 5) {
        wrong.push(
            "event_handler_timeout is below 5 s: on a busy server the handler may be killed before \
             it has begun"
                .to_owned(),
        );
    }
    let ok = format!(
        "{}: event handlers are on (repairctl lint reads the objects)",
        main.path().display()
    );
    ok_unless("nagios.cfg", ok, wrong, ServerFix::ChangeNagiosCfg)
}

/// Checks that some object opted in, with repairs that the policy has.
pub fn opted(objects: &ObjectCache, config: &Config) -> DoctorFinding {
    let all = objects.opted();
    let known = |name: &String| config.policy.repairs.keys().any(|repair| repair.as_str() == name);
    let unknown: Vec<String> = all
        .iter()
        .flat_map(|(host, repairs)| {
            repairs
                .iter()
                .filter(|name| !known(name))
                .map(move |name| format!("{host}: _REPAIR {name}"))
        })
        .collect();
    if all.is_empty() {
        return note("opted in", "nothing: no host or service has a _REPAIR", ServerFix::OptIn);
    }
    let ok =
        format!("something on {} {}", all.len(), if all.len() == 1 { "host" } else { "hosts" });
    ok_unless("opted in", ok, unknown, ServerFix::AddRepair)
}
