//! `repairctl lint`: reads Nagios' configuration and finds what silently keeps it from calling for
//! repairs.

pub mod args;
mod finding;
mod global;
mod handler;
mod now;
mod object;
mod policies;
mod words;

use std::path::PathBuf;

use plugin_kit::{Out, Problem, ToolResult};
use serde_json::json;

use crate::configuration::{self, Configuration};
use crate::context::Context;
use crate::ui::json;
use args::LintArgs;
use finding::{Findings, Level, error};
use handler::Kind;
use object::Look;
use policies::Policies;

/// The command.
pub fn run(words: &LintArgs, context: &Context, out: &mut Out) -> Result<ToolResult, Problem> {
    let main: PathBuf = match &words.main {
        Some(main) => main.clone(),
        None => configuration::find().ok_or_else(|| {
            Problem::Usage(format!(
                "no nagios.cfg is where one is looked for ({}): name yours",
                configuration::places()
            ))
        })?,
    };
    let configuration = configuration::read(&main);
    let (findings, seen) = look(&configuration, context);
    let whole = configuration.unreadable.is_empty();
    if words.json {
        let found = json!({
            "findings": findings.json(), "services": seen.services, "hosts": seen.hosts, "complete": whole,
        });
        out.line(json::text(format_args!("{found:#}")));
    } else {
        findings.write(out);
        out.line(summary(&findings, &seen));
    }
    let wrong = findings.count(Level::Error) + findings.count(Level::Warning) > 0;
    Ok(match (whole, wrong) {
        (false, _) => ToolResult::Failed,
        (true, true) => ToolResult::Wrong,
        (true, false) => ToolResult::Fine,
    })
}

/// What was looked at.
#[derive(Debug, Default)]
struct Seen {
    services: usize,
    hosts: usize,
    commands: usize,
}

fn look(configuration: &Configuration, context: &Context) -> (Findings, Seen) {
    let mut findings = Findings::default();
    for (at, why) in &configuration.unreadable {
        let fix = "without it this is not the whole picture: run repairctl as root or as Nagios' \
                   user, or correct the name";
        findings.add(at, error("unreadable", format!("cannot be read: {why}"), fix), "");
    }
    for (at, name) in &configuration.objects.missing {
        let text =
            format!("the template '{name}' is defined nowhere: what it was to bring is missing");
        findings.add(
            at,
            error("no-such-template", text, "correct the name, or define the template"),
            "",
        );
    }
    let mut seen = Seen { commands: commands(configuration, &mut findings), ..Seen::default() };
    let mut look = Look {
        configuration,
        policies: Policies::new(context),
        findings: &mut findings,
        used: false,
    };
    for host in &configuration.objects.hosts {
        seen.hosts += usize::from(look.object(
            Kind::Host,
            &host.object,
            std::slice::from_ref(&host.name),
            None,
        ));
    }
    for service in &configuration.objects.services {
        let opted_in =
            look.object(Kind::Service, &service.object, &service.hosts, Some(&service.description));
        seen.services += if opted_in { service.hosts.len() } else { 0 };
    }
    let Look { policies, used, .. } = look;
    if used {
        policies.check(configuration, &mut findings);
        global::check(configuration, &policies, &mut findings);
        now::check(configuration, &mut findings);
    }
    (findings, seen)
}

/// Looks at each command that calls handle_repair, whoever names it; says how many there are.
fn commands(configuration: &Configuration, findings: &mut Findings) -> usize {
    let mut count = 0;
    for (name, command) in &configuration.objects.commands {
        let words = handler::words(&command.line);
        let hidden = command.line.cut.as_ref().is_some_and(|cut| cut.contains("handle_repair"));
        let found = match handler::find(&words, &configuration.main) {
            Some(found) => found,
            None if hidden => handler::Found::Nested,
            None => continue,
        };
        count += 1;
        for finding in handler::line(&command.line, &words, &found) {
            findings.add(&command.line.at, finding, &format!("command {name}"));
        }
    }
    count
}

fn summary(findings: &Findings, seen: &Seen) -> String {
    let several = |count: usize, word: &str| {
        if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
    };
    let mut objects = format!("{} with a repair", several(seen.services, "service"));
    if seen.hosts > 0 {
        objects = format!(
            "{} and {} with a repair",
            several(seen.services, "service"),
            several(seen.hosts, "host")
        );
    }
    let levels = [Level::Error, Level::Warning, Level::Note]
        .map(|level| (findings.count(level), level.as_str()));
    let counts: Vec<String> = levels
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| several(count, word))
        .collect();
    match counts.is_empty() {
        true if seen.commands == 0 => {
            format!("nothing found in {objects}; no command calls handle_repair")
        }
        true => format!("nothing found in {objects}"),
        false => format!("{} in {objects}", counts.join(", ")),
    }
}
