//! Checks the main file: its settings for event handlers, and whether the policies name the same
//! files.

use std::path::Path;

use engine::configuration::{Configuration, Location, MainFile};

use super::command_line::split;
use super::finding::{Findings, LintFinding, LintLevel, error, warning};
use super::handler;
use super::policies::{Policies, place};

/// Checks the main file, unless an object file was named instead.
pub fn check(configuration: &Configuration, policies: &Policies, findings: &mut Findings) {
    let main = &configuration.main;
    let Some(whole) = main.whole() else { return };
    switches(main, &whole, findings);
    for name in ["global_host_event_handler", "global_service_event_handler"] {
        global_handler(name, configuration, findings);
    }
    for (path, config) in policies.usable() {
        if let Some(ours) = &config.command_file {
            if let Some(value) = main.off("check_external_commands") {
                let text = "check_external_commands is 0: Nagios hears of no repair, and no check \
                            follows it";
                let fix = "set check_external_commands=1";
                findings.add(&value.at, error("no-external-commands", text, fix), "");
            }
            same_file("command_file", ours, path, main, findings);
        }
        if let Some(ours) = &config.status_file {
            same_file("status_file", ours, path, main, findings);
            let interval = main.number("status_update_interval", 60.0);
            if interval > 60.0 {
                let at = main.get("status_update_interval").map_or(&whole, |value| &value.at);
                let text = format!(
                    "the status file is {interval} s old at times: an acknowledgement or flapping \
                     is known as late as that"
                );
                let fix = "set status_update_interval=10";
                findings.add(at, warning("old-status-file", text, fix), "");
            }
        }
    }
}

/// A setting that can be wrong for event handlers.
struct Switch {
    name: &'static str,
    is_wrong: fn(&MainFile) -> bool,
    level: LintLevel,
    code: &'static str,
    text: &'static str,
    fix: &'static str,
}

const SWITCHES: [Switch; 7] = [
    Switch {
        name: "enable_event_handlers",
        is_wrong: |main| main.off("enable_event_handlers").is_some(),
        level: LintLevel::Error,
        code: "handlers-disabled",
        text: "enable_event_handlers is 0: Nagios calls no event handler at all",
        fix: "set enable_event_handlers=1",
    },
    Switch {
        name: "enable_environment_macros",
        is_wrong: |main| is_on(main, "enable_environment_macros"),
        level: LintLevel::Warning,
        code: "environment-macros",
        text: "enable_environment_macros is 1: every call gets hundreds of variables, plugin \
               output among them, and costs many times as much",
        fix: "set enable_environment_macros=0; handle_repair needs none of them",
    },
    Switch {
        name: "retain_state_information",
        is_wrong: |main| !is_on(main, "retain_state_information"),
        level: LintLevel::Warning,
        code: "no-retention",
        text: "state is not retained: after a restart of Nagios every fault begins again at SOFT \
               1, acknowledgements are lost, and it is repaired again",
        fix: "set retain_state_information=1, with a state_retention_file",
    },
    Switch {
        name: "illegal_macro_output_chars",
        is_wrong: |main| main.text("illegal_macro_output_chars").is_none_or(str::is_empty),
        level: LintLevel::Warning,
        code: "no-illegal-characters",
        text: "illegal_macro_output_chars is empty: plugin output reaches command lines as it is",
        fix: "set illegal_macro_output_chars=`~$&|'\"<>",
    },
    Switch {
        name: "log_service_retries",
        is_wrong: |main| main.off("log_service_retries").is_some(),
        level: LintLevel::Note,
        code: "no-soft-states-in-log",
        text: "log_service_retries is 0: the log does not show SOFT states, which repairctl \
               replay needs",
        fix: "set log_service_retries=1 and log_host_retries=1",
    },
    Switch {
        name: "use_regexp_matching",
        is_wrong: |main| is_on(main, "use_regexp_matching"),
        level: LintLevel::Note,
        code: "names-are-patterns",
        text: "use_regexp_matching is 1: services whose hosts are chosen by patterns are not \
               looked at",
        fix: EXPANDED,
    },
    Switch {
        name: "use_true_regexp_matching",
        is_wrong: |main| {
            is_on(main, "use_true_regexp_matching") && !is_on(main, "use_regexp_matching")
        },
        level: LintLevel::Note,
        code: "names-are-patterns",
        text: "use_true_regexp_matching is 1: services whose hosts are chosen by patterns are not \
               looked at",
        fix: EXPANDED,
    },
];

const EXPANDED: &str = "lint the object_cache_file as well: there they are expanded";

fn is_on(main: &MainFile, name: &str) -> bool {
    main.get(name).is_some_and(|value| value.is_on())
}

fn switches(main: &MainFile, whole: &Location, findings: &mut Findings) {
    for &Switch { name, is_wrong, level, code, text, fix } in &SWITCHES {
        if is_wrong(main) {
            let at = main.get(name).map_or(whole, |value| &value.at);
            let finding = LintFinding { level, code, text: text.into(), fix: fix.into() };
            findings.add(at, finding, "");
        }
    }
}

fn global_handler(name: &'static str, configuration: &Configuration, findings: &mut Findings) {
    let Some(value) = configuration.main.get(name) else { return };
    let line = configuration.objects.command(&value.text);
    if line.is_some_and(|line| handler::find(&split(&line.text), &configuration.main).is_some()) {
        let text = format!(
            "{name} is handle_repair: it is started for every change of everything, and twice \
             where an object names it too"
        );
        let fix = "remove it, and name handle_repair where there is a _REPAIR";
        findings.add(&value.at, warning("global-handler", text, fix), "");
    }
}

/// Nagios' file and the policy's must be the same one; links to it are.
fn same_file(name: &str, ours: &Path, policy: &Path, main: &MainFile, findings: &mut Findings) {
    let Some(theirs) = main.get(name) else { return };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if real(ours) != real(&theirs.path()) {
        let code = if name == "command_file" { "other-command-file" } else { "other-status-file" };
        let text = format!("{name} is {}, and Nagios' own is {}", ours.display(), theirs.text);
        let fix = format!("write \"{name}\": \"{}\"", theirs.text);
        findings.add(&place(policy, name), error(code, text, fix), "");
    }
}
