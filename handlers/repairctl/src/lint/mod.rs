//! `repairctl lint`: reads Nagios' configuration or the objects of Icinga 2, and finds mistakes
//! that the engine accepts but that prevent repairs.

pub mod args;
mod arguments;
mod check_http;
mod command_line;
mod finding;
mod global;
mod handler;
mod icinga2;
mod macros;
mod object;
mod object_rules;
mod policies;
mod retention;

use engine::configuration::{self, Configuration};
use plugin_kit::{Out, Problem, ToolResult};
use serde_json::json;

use crate::context::Context;
use crate::split::CommandResult;
use crate::ui::json;
use args::LintArgs;
use command_line::split;
use finding::{Findings, LintCounts, LintLevel, error};
use handler::{HandlerCall, ObjectKind};
use object::ObjectLinter;
use policies::Policies;

/// Runs `repairctl lint`.
pub fn run(args: &LintArgs, context: &Context, out: &mut Out) -> CommandResult {
    let policy = context.draft().ok().filter(|_| args.main.is_none());
    let api = policy.as_ref().and_then(|policy| Some((policy.icinga2.as_ref()?, policy)));
    let (findings, counts, whole) = match api {
        Some((api, policy)) => {
            let mut findings = Findings::default();
            let counts = icinga2::check(api, policy, &context.policy, &mut findings);
            (findings, counts.map_err(Problem::failed)?, true)
        }
        None => {
            let not_found = || {
                let places = configuration::places();
                Problem::Usage(format!("nagios.cfg was not found (tried {places}); pass its path"))
            };
            let main = args.main.clone().or_else(configuration::find).ok_or_else(not_found)?;
            let configuration = configuration::read(&main);
            let (findings, counts) = check(&configuration, context);
            (findings, counts, configuration.unreadable.is_empty())
        }
    };
    if args.json {
        let found = json!({
            "findings": findings.json(), "services": counts.services, "hosts": counts.hosts,
            "complete": whole,
        });
        json::print(found, out);
    } else {
        findings.write(out);
        out.line(summary(&findings, &counts));
    }
    let wrong = findings.count(LintLevel::Error) + findings.count(LintLevel::Warning) > 0;
    Ok(match (whole, wrong) {
        (false, _) => ToolResult::Failed,
        (true, true) => ToolResult::Wrong,
        (true, false) => ToolResult::Fine,
    })
}

fn check(configuration: &Configuration, context: &Context) -> (Findings, LintCounts) {
    let mut findings = Findings::default();
    for (at, why) in &configuration.unreadable {
        let fix = "run repairctl as root or as Nagios' user, or correct the file's name; without \
                   this file, lint cannot find all mistakes";
        findings.add(at, error("unreadable", format!("the file cannot be read: {why}"), fix), "");
    }
    for (at, name) in &configuration.objects.missing {
        let text = format!(
            "template '{name}' is not defined, so the objects that use it lack its directives"
        );
        let fix = "correct the template's name, or define the template";
        findings.add(at, error("no-such-template", text, fix), "");
    }
    let commands = commands(configuration, &mut findings);
    let mut counts = LintCounts { commands, ..LintCounts::default() };
    let mut linter = ObjectLinter::new(configuration, Policies::new(context), &mut findings);
    for host in &configuration.objects.hosts {
        let names = std::slice::from_ref(&host.name);
        counts.hosts += usize::from(linter.object(ObjectKind::Host, &host.object, names, None));
    }
    for service in &configuration.objects.services {
        let (hosts, name) = (&service.hosts, Some(&*service.description));
        let opted_in = linter.object(ObjectKind::Service, &service.object, hosts, name);
        counts.services += if opted_in { hosts.len() } else { 0 };
    }
    let ObjectLinter { policies, used, .. } = linter;
    if used {
        policies.check(configuration, &mut findings);
        global::check(configuration, &policies, &mut findings);
        retention::check(configuration, &mut findings);
    }
    (findings, counts)
}

/// Checks each command that calls handle_repair, even if no object uses the command. Returns the
/// number of commands that call handle_repair.
fn commands(configuration: &Configuration, findings: &mut Findings) -> usize {
    let mut count = 0;
    for (name, line) in &configuration.objects.commands {
        let words = split(&line.text);
        let found = match handler::find(&words, &configuration.main) {
            Some(found) => found,
            None if handler::is_cut_off(line) => HandlerCall::Nested,
            None => continue,
        };
        count += 1;
        for finding in handler::line(line, &words, &found) {
            findings.add(&line.at, finding, &format!("command {name}"));
        }
    }
    count
}

fn summary(findings: &Findings, counts: &LintCounts) -> String {
    let several = |count: usize, word: &str| {
        if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
    };
    let mut objects = several(counts.services, "service");
    if counts.hosts > 0 {
        objects = format!("{objects} and {}", several(counts.hosts, "host"));
    }
    objects += " with a repair";
    let levels = [LintLevel::Error, LintLevel::Warning, LintLevel::Note];
    let found: Vec<String> = levels
        .map(|level| (findings.count(level), level.as_str()))
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| several(count, word))
        .collect();
    match found.is_empty() {
        true if counts.commands == 0 => {
            format!("no problems found in {objects}; no command calls handle_repair")
        }
        true => format!("no problems found in {objects}"),
        false => format!("{} in {objects}", found.join(", ")),
    }
}
