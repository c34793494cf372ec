//! `repairctl replay`: runs a policy over Nagios' logs and shows what it would have done.

pub mod args;
mod objects;
mod progress;
mod simulated_ledger;
mod simulation;
mod summary;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use engine::Icinga2;
use engine::configuration;
use engine::log::{self, LogError, LogFile, LogLines};
use plugin_kit::{Out, Problem, ToolResult};
use policy::RepairName;
use policy_file::Config;

use crate::context::{Context, ENGINE_TIMEOUT};
use crate::split::CommandResult;
use args::ReplayArgs;
use objects::{RepairSource, ReplayedObjects, TooManyObjects};
use progress::ProgressBar;
use simulation::{OnDecision, ReplayDecision, ReplayOptions, Simulation};
use summary::{Summary, print_decision};

/// Runs `repairctl replay`.
pub fn run(args: &ReplayArgs, context: &Context, out: &mut Out) -> CommandResult {
    let config = context.draft()?;
    let (objects, known_from) = objects(args, &config)?;
    let is_unknown = |name: &&RepairName| !config.policy.repairs.contains_key(*name);
    if let Some(name) = args.repair.as_ref().filter(is_unknown) {
        let policy = context.policy.display();
        return Err(Problem::Usage(format!("the policy {policy} has no repair '{name}'")));
    }
    let options = ReplayOptions {
        policy: &config.policy,
        assume: args.assume,
        takes: args.takes.0,
        knows_status: config.has_engine_state(),
    };
    let (logs, mut bad) = log::in_order(&args.logs);
    let mut simulation = Simulation::new(options, objects);
    let mut progress = ProgressBar::new(logs.iter().map(|log| log.size).sum());
    let mut before = 0;
    for log in &logs {
        let mut on_decision = |decision: &ReplayDecision<'_>| {
            if args.decisions {
                print_decision(decision, args.json, out);
            }
        };
        match read(log, before, &mut simulation, &mut progress, &mut on_decision) {
            Ok(()) => {}
            Err(ReadError::Log(why)) => bad.push(why),
            Err(ReadError::TooManyObjects(why)) => return Err(Problem::failed(why)),
        }
        before += log.size;
    }
    drop(progress);
    let logs = logs.len();
    let summary = Summary { simulation: &simulation, options, known_from, logs, bad: &bad };
    if args.json {
        summary.print_json(args.decisions, out);
    } else {
        summary.write(out);
    }
    Ok(if bad.is_empty() { ToolResult::Fine } else { ToolResult::Failed })
}

/// Returns the objects with a repair, and a string that says where this information comes from.
fn objects(args: &ReplayArgs, config: &Config) -> Result<(ReplayedObjects, String), Problem> {
    if let Some(repair) = &args.repair {
        let known_from = format!("every service is assumed to have the repair '{repair}'");
        return Ok((ReplayedObjects::new(RepairSource::All(repair.clone())), known_from));
    }
    if let (None, Some(api)) = (&args.objects, &config.icinga2) {
        let engine = Icinga2::new(api, None);
        let settings = engine.settings(Instant::now() + ENGINE_TIMEOUT).map_err(Problem::failed)?;
        let objects = ReplayedObjects::new(RepairSource::Icinga2(&settings));
        return counted(objects, "Icinga 2's API", "vars.repair");
    }
    let file: PathBuf = args.objects.clone().or_else(configuration::find).ok_or_else(|| {
        let places = configuration::places();
        Problem::Usage(format!(
            "nagios.cfg was not found (tried {places}): pass --objects FILE or --repair NAME, \
             because the logs do not show which objects have a repair"
        ))
    })?;
    let configuration = configuration::read(&file);
    if let Some((at, why)) = configuration.unreadable.first() {
        return Err(Problem::failed(format!("{at}: the file cannot be read: {why}")));
    }
    let objects = ReplayedObjects::new(RepairSource::Configuration(&configuration));
    counted(objects, &file.display().to_string(), "_REPAIR")
}

/// Fails if no object has a repair. `source` is where the objects come from, and `variable` is the
/// variable that names the repair there.
fn counted(
    objects: ReplayedObjects,
    source: &str,
    variable: &str,
) -> Result<(ReplayedObjects, String), Problem> {
    match objects.with_repair {
        0 => Err(Problem::failed(format!(
            "{source}: no host or service has a {variable}; to try a repair on every service, pass \
             --repair NAME"
        ))),
        count => Ok((objects, format!("{count} with a repair, according to {source}"))),
    }
}

/// Why a log could not be read completely.
enum ReadError {
    Log(LogError),
    TooManyObjects(TooManyObjects),
}

fn read(
    log: &LogFile,
    before: u64,
    simulation: &mut Simulation<'_>,
    progress: &mut ProgressBar,
    on_decision: OnDecision<'_>,
) -> Result<(), ReadError> {
    let unreadable = |why| ReadError::Log(LogError::Unreadable { path: log.path.clone(), why });
    let broken = |why| ReadError::Log(LogError::Broken { path: log.path.clone(), why });
    let count = Rc::new(Cell::new(0));
    let file = log::open(&log.path, Rc::clone(&count)).map_err(unreadable)?;
    let mut lines = LogLines::new(file);
    while let Some(line) = lines.next_line().map_err(broken)? {
        let counts = &mut simulation.counts;
        counts.lines += 1;
        if counts.lines.is_multiple_of(16384) {
            progress.at(before + count.get());
        }
        let Some((at, text)) = log::timestamp(line) else { continue };
        let (first, last) = counts.span.unwrap_or((at, at));
        counts.span = Some((first.min(at), last.max(at)));
        if let Some(entry) = log::parse(at, text) {
            simulation.take(&entry, on_decision).map_err(ReadError::TooManyObjects)?;
        }
    }
    Ok(())
}
