//! Checks this server: everything that a repair needs before it reaches a host's gate.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use engine::command_file;
use engine::configuration::{MainFile, ObjectCache, ObjectCacheError};
use engine::status_file::{self, StatusFileError};
use handle_repair::handler;
use handle_repair::worker::verify;
use plugin_kit::program_places;
use policy_file::{BadPolicy, Config, HostRoute, LedgerConfig};
use rustix::fs::{Access, access};
use transport::{Error, probe};

use crate::context::{Context, UnusablePolicy};

use super::database;
use super::finding::{DoctorFinding, cause, note, ok, ok_unless, wrong};
use super::fix::{ServerFix, SiteFile};

/// Reports a policy that Nagios' user accepts but root does not, because a group can write to it.
pub fn policy_of_root(context: &Context) -> Option<DoctorFinding> {
    match context.config() {
        Err(UnusablePolicy::Bad(why @ BadPolicy::WritableByGroup(_))) => {
            Some(wrong("policy", why.to_string(), ServerFix::OwnPolicy))
        }
        _ => None,
    }
}

/// Checks that the current user can run the verify commands, the local rungs and the worker.
pub fn programs(config: &Config) -> Vec<DoctorFinding> {
    let rungs: Vec<_> = config.policy.repairs.values().flat_map(|rules| &rules.ladder).collect();
    let (mut found, mut missing, mut local) = (BTreeSet::new(), Vec::new(), Vec::new());
    for rung in &rungs {
        match verify::find(&rung.verify, &verify::places(config)) {
            Ok((program, _)) if runnable(&program) => {
                found.insert(program.display().to_string());
            }
            Ok((program, _)) => missing.push(not_runnable(&program)),
            Err(why) => missing.push(why.to_string()),
        }
        if let Some(argv) = rung.act.program() {
            let program = Path::new(argv.first().map_or("", String::as_str));
            if !runnable(program) {
                local.push(format!("local rung: {why}", why = not_runnable(program)));
            }
        }
    }
    let found: Vec<String> = found.into_iter().collect();
    let mut findings =
        vec![ok_unless("verify", found.join(", "), missing, ServerFix::InstallVerify)];
    if rungs.iter().any(|rung| rung.act.program().is_some()) {
        let text = "this user can run the program of every local rung".into();
        findings.push(ok_unless("local rungs", text, local, ServerFix::InstallLocalRung));
    }
    let places = program_places(std::env::current_exe().ok().as_deref(), handler::WORKER);
    let worker = places.iter().find(|place| runnable(place));
    let shown: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    findings.push(match worker {
        Some(place) => ok("worker", place.display().to_string()),
        None => {
            let text =
                format!("repair_worker was not found (tried {tried})", tried = shown.join(", "));
            wrong("worker", text, ServerFix::InstallWorker)
        }
    });
    findings
}

fn runnable(program: &Path) -> bool {
    program.is_file() && access(program, Access::EXEC_OK).is_ok()
}

fn not_runnable(program: &Path) -> String {
    format!("this user cannot run {program}", program = program.display())
}

/// Checks each private key once, even if several hosts use it.
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
    let host = || route.host.clone();
    match (why, route.key.try_exists()) {
        (Error::KeyFileUnreadable { .. }, Err(_)) => {
            ServerFix::EnterDirectories(SiteFile::Key(host()))
        }
        (Error::KeyFileUnreadable { .. }, Ok(false)) => ServerFix::MakeKey { host: host() },
        (Error::KeyFileUnreadable { .. } | Error::KeyFileOpen { .. }, _) => {
            ServerFix::OwnKey { host: host() }
        }
        (Error::Passphrase { .. }, _) => ServerFix::PassphraseFile,
        _ => ServerFix::NamePrivateKey,
    }
}

/// Checks that the current user can use the ledger and, if the ledger is in PostgreSQL, its local
/// files on this server.
pub fn ledger(config: &Config) -> Vec<DoctorFinding> {
    let ledger = &config.ledger;
    match (ledger, local_files(ledger)) {
        (LedgerConfig::Sqlite(_), Some(unusable)) => vec![unusable],
        (LedgerConfig::Sqlite(_), None) => vec![file(ledger)],
        (LedgerConfig::Postgres(postgres), unusable) => {
            unusable.into_iter().chain(database::check(ledger, postgres)).collect()
        }
    }
}

/// Reports the ledger's directory, or a file in it, if the current user cannot write to it.
fn local_files(ledger: &LedgerConfig) -> Option<DoctorFinding> {
    let directory = ledger.local().parent().unwrap_or(Path::new("/"));
    if access(directory, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let text = format!(
            "{directory} is missing, or this user cannot write to it",
            directory = directory.display()
        );
        let fix = match directory.try_exists() {
            Err(_) => ServerFix::EnterDirectories(SiteFile::Ledger),
            Ok(_) => ServerFix::MakeLedgerDirectory,
        };
        return Some(wrong("ledger", text, fix));
    }
    // The directory can belong to the current user but contain files that root created earlier. The
    // user cannot write to these files.
    let file = ledger::unwritable(ledger)?;
    let text = format!("this user cannot write to {file}", file = file.display());
    Some(wrong("ledger", text, ServerFix::OwnLedger))
}

/// Checks that the current user can open the ledger's file, if there is one.
fn file(ledger: &LedgerConfig) -> DoctorFinding {
    match ledger::open_read_only(ledger) {
        Err(ledger::Error::Missing(_)) => {
            ok("ledger", format!("there is no ledger yet; the first repair creates {ledger}"))
        }
        Err(why) => wrong("ledger", why.to_string(), ledger_fix(&why)),
        Ok(_) => ok("ledger", ledger.to_string()),
    }
}

fn ledger_fix(why: &ledger::Error) -> ServerFix {
    use ledger::Error::{Exposed, Older, Owner, Writable};
    match why {
        Exposed(_) | Writable(_) | Owner { .. } => ServerFix::CloseLedger,
        Older { .. } => ServerFix::MigrateLedger,
        why if why.is_damage() => ServerFix::SetLedgerAside,
        _ => ServerFix::CorrectLedger,
    }
}

/// Checks Nagios' command file and status file.
pub fn files_of_nagios(config: &Config) -> Vec<DoctorFinding> {
    let mut findings = vec![match &config.command_file {
        None => {
            let text = "the policy names no command file, so repairs are not reported to Nagios, \
                        and Nagios notices a recovery only at its next check";
            note("command file", text, ServerFix::SetCommandFile)
        }
        Some(file) => match command_file::open(file) {
            Ok(_) => ok("command file", file.display().to_string()),
            Err(why) => wrong("command file", why.to_string(), pipe_fix(file)),
        },
    }];
    if let Some(file) = &config.status_file {
        findings.push(status(file));
    }
    findings
}

fn pipe_fix(file: &Path) -> ServerFix {
    match file.try_exists() {
        Err(_) => ServerFix::EnterDirectories(SiteFile::CommandFile),
        Ok(true) if access(file, Access::WRITE_OK).is_err() => {
            ServerFix::ReadNagiosFile(SiteFile::CommandFile)
        }
        // The pipe is missing, or no process reads it. Nagios creates the pipe when it starts, and
        // reads it as long as it runs. So Nagios is probably not running.
        Ok(_) => ServerFix::StartNagios,
    }
}

/// Checks that the status file that the policy names can be read and that Nagios still updates it.
fn status(file: &Path) -> DoctorFinding {
    let is_current = |program| status_file::refuse_outdated(file, &program, SystemTime::now());
    match status_file::program(file).and_then(is_current) {
        Err(why) => {
            let text = format!("{why}; without the status file, nothing is repaired");
            wrong("status file", text, status_fix(&why))
        }
        Ok(()) => ok("status file", file.display().to_string()),
    }
}

fn status_fix(why: &StatusFileError) -> ServerFix {
    match why {
        StatusFileError::Unreadable { path, why } => {
            unreadable(path, why, SiteFile::StatusFile, ServerFix::NameStatusFile)
        }
        StatusFileError::Outdated { .. } | StatusFileError::Future(_) => ServerFix::StartNagios,
        StatusFileError::Foreign(_) | StatusFileError::NoSuchObject { .. } => {
            ServerFix::NameStatusFile
        }
    }
}

/// Returns the fix for an unreadable file that Nagios writes.
fn unreadable(path: &Path, why: &io::Error, file: SiteFile, otherwise: ServerFix) -> ServerFix {
    match why.kind() {
        ErrorKind::NotFound => ServerFix::StartNagios,
        ErrorKind::PermissionDenied if path.try_exists().is_err() => {
            ServerFix::EnterDirectories(file)
        }
        ErrorKind::PermissionDenied => ServerFix::ReadNagiosFile(file),
        _ => otherwise,
    }
}

/// Checks the nagios.cfg settings that control whether Nagios calls event handlers and accepts
/// external commands.
pub fn settings(main: &MainFile, config: Option<&Config>) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let mut add = |text: &str, fix| findings.push(wrong("nagios.cfg", text, fix));
    let is = |name: &str, value: &str| main.text(name) == Some(value);
    if is("enable_event_handlers", "0") {
        let text = "enable_event_handlers=0: Nagios never calls the event handler";
        add(text, ServerFix::EnableEventHandlers);
    }
    if let Some(config) = config {
        if config.command_file.is_some() && is("check_external_commands", "0") {
            let text = "check_external_commands=0: Nagios ignores the reports about repairs";
            add(text, ServerFix::EnableExternalCommands);
        }
        for (name, ours) in
            [("command_file", &config.command_file), ("status_file", &config.status_file)]
        {
            if let (Some(theirs), Some(ours)) = (main.text(name), ours)
                && Path::new(theirs) != ours
            {
                let text = format!(
                    "{name} is {theirs} in nagios.cfg, but {ours} in the policy",
                    ours = ours.display()
                );
                add(&text, ServerFix::MatchNagiosCfg);
            }
        }
    }
    let timeout = main.text("event_handler_timeout").and_then(|seconds| seconds.parse().ok());
    if timeout.is_some_and(|seconds: u32| seconds < 5) {
        let text = "event_handler_timeout is below 5 s: on a busy server Nagios may kill the \
                    handler before it has started a repair";
        add(text, ServerFix::RaiseHandlerTimeout);
    }
    if findings.is_empty() {
        let path = main.path().display();
        let text = format!(
            "{path}: event handlers are enabled (to check the objects too, run repairctl lint)"
        );
        findings.push(ok("nagios.cfg", text));
    }
    findings
}

/// Reports that Nagios' objects cannot be read, so it is unknown which of them have a `_REPAIR`.
pub fn unknown_objects(why: &ObjectCacheError) -> DoctorFinding {
    let fix = match why {
        ObjectCacheError::Unreadable { path, why } => {
            unreadable(path, why, SiteFile::ObjectCache, ServerFix::NameObjectCache)
        }
        ObjectCacheError::NotSet => ServerFix::NameObjectCache,
    };
    note("objects", why.to_string(), fix)
}

/// Name of the check that looks for objects with a `_REPAIR`.
pub const OPTED_IN: &str = "opted in";

/// Checks that at least one object has a `_REPAIR`, and that the policy defines every repair that
/// an object names.
pub fn opted(objects: &ObjectCache, config: &Config) -> DoctorFinding {
    let all = objects.opted_in();
    let known = |name: &str| config.policy.repairs.keys().any(|repair| repair.as_str() == name);
    let mut unknown: Vec<String> = objects
        .repairs()
        .filter(|(name, _)| !known(name))
        .flat_map(|(name, hosts)| hosts.iter().map(move |host| format!("{host}: _REPAIR {name}")))
        .collect();
    unknown.sort();
    if all.is_empty() {
        return note(OPTED_IN, "no host or service has a _REPAIR", ServerFix::OptIn);
    }
    let ok = format!("objects of {} {}", all.len(), if all.len() == 1 { "host" } else { "hosts" });
    ok_unless(OPTED_IN, ok, unknown, ServerFix::AddRepair)
}
