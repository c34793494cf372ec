//! `repairctl replay`: runs a policy over Nagios' logs. What would it have done?

pub mod args;
mod entry;
mod files;
mod lines;
mod past;
mod progress;
mod sim;
mod sum;
#[cfg(test)]
mod tests;
mod things;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use plugin_kit::{Out, Problem, ToolResult};

use crate::configuration;
use crate::context::Context;
use args::{AssumeArg, ReplayArgs};
use entry::{entry, time};
use files::{BadLog, Log};
use lines::Lines;
use progress::Progress;
use sim::{Assume, Decided, Sim, Terms};
use things::{Source, Things};

/// The command.
pub fn run(words: &ReplayArgs, context: &Context, out: &mut Out) -> Result<ToolResult, Problem> {
    let config = context.draft()?;
    let (things, known_from) = objects(words)?;
    if let Some(name) =
        words.repair.as_ref().filter(|name| !config.policy.repairs.contains_key(name))
    {
        return Err(Problem::Usage(format!(
            "the policy {} has no repair '{name}'",
            context.policy().display()
        )));
    }
    let terms = Terms {
        policy: &config.policy,
        assume: if words.assume == AssumeArg::Heals { Assume::Heals } else { Assume::Log },
        takes: words.takes.0,
        knows_status: config.status_file.is_some(),
    };
    let (logs, mut bad) = files::in_order(&words.logs);
    let mut sim = Sim::new(terms, things);
    let mut progress = Progress::new(logs.iter().map(|log| log.size).sum());
    let mut before = 0;
    for log in &logs {
        let mut tell = |decided: &Decided<'_>| {
            if words.decisions {
                out.line(sum::decision(decided, words.json));
            }
        };
        match read(log, before, &mut sim, &mut progress, &mut tell) {
            Ok(()) => {}
            Err(Stop::Log(why)) => bad.push(why),
            Err(Stop::TooMany(why)) => return Err(Problem::Usage(why.to_string())),
        }
        before += log.size;
    }
    drop(progress);
    let sum = sum::Sum { sim: &sim, terms, known_from, logs: logs.len(), bad: &bad };
    if words.json {
        out.line(sum.json(words.decisions));
    } else {
        sum.write(out);
    }
    Ok(if bad.is_empty() { ToolResult::Fine } else { ToolResult::Failed })
}

/// The objects with a repair, and where they are known from.
fn objects(words: &ReplayArgs) -> Result<(Things, String), Problem> {
    if let Some(repair) = &words.repair {
        let known_from = format!("every service is taken to have the repair '{repair}'");
        return Ok((Things::new(Source::All(repair.clone())), known_from));
    }
    let file: PathBuf = words.objects.clone().or_else(configuration::find).ok_or_else(|| {
        let places = configuration::places();
        Problem::Usage(format!(
            "no nagios.cfg tells which objects have a repair (looked for {places}): give --objects \
             FILE or --repair NAME"
        ))
    })?;
    let configuration = configuration::read(&file);
    if let Some((at, why)) = configuration.unreadable.first() {
        return Err(Problem::Usage(format!("{at}: cannot be read: {why}")));
    }
    let things = Things::new(Source::Configuration(&configuration));
    if things.with_repair == 0 {
        let file = file.display();
        return Err(Problem::Usage(format!(
            "{file}: no host or service has a _REPAIR; to try one on every service, give --repair \
             NAME"
        )));
    }
    let known_from =
        format!("{} with a repair, as {} says now", things.with_repair, file.display());
    Ok((things, known_from))
}

/// Why a log is not read to its end.
enum Stop {
    Log(BadLog),
    TooMany(things::TooMany),
}

fn read(
    log: &Log,
    before: u64,
    sim: &mut Sim<'_>,
    progress: &mut Progress,
    tell: &mut dyn FnMut(&Decided<'_>),
) -> Result<(), Stop> {
    let unreadable = |why| Stop::Log(BadLog::Unreadable { path: log.path.clone(), why });
    let count = Rc::new(Cell::new(0));
    let mut lines = Lines::new(files::open(&log.path, Rc::clone(&count)).map_err(unreadable)?);
    let broken = |why| Stop::Log(BadLog::Broken { path: log.path.clone(), why });
    while let Some(line) = lines.next().map_err(broken)? {
        sim.tally.lines += 1;
        if sim.tally.lines.is_multiple_of(16384) {
            progress.at(before + count.get());
        }
        let Some((at, text)) = time(line) else { continue };
        let (first, last) = sim.tally.span.unwrap_or((at, at));
        sim.tally.span = Some((first.min(at), last.max(at)));
        if let Some(entry) = entry(at, text) {
            sim.take(&entry, tell).map_err(Stop::TooMany)?;
        }
    }
    Ok(())
}
