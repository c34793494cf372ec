//! Checks nagios.cfg: whether its settings allow repairs, and whether the policies name the same
//! command file and status file.

use std::path::Path;

use engine::configuration::{Configuration, Location, MainFile};

use super::command_line::split;
use super::finding::{Findings, LintFinding, LintLevel, error, warning};
use super::handler;
use super::policies::{Policies, place};

/// Checks nagios.cfg. Does nothing if lint reads an object file instead.
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
                let text = "check_external_commands is 0: Nagios accepts no comments about \
                            repairs, and does not check the object after a repair";
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
                    "Nagios writes the status file only every {interval} s: in the meantime, a \
                     repair can start although somebody has acknowledged the problem or the object \
                     has begun to flap"
                );
                let fix = "set status_update_interval=10";
                findings.add(at, warning("old-status-file", text, fix), "");
            }
        }
    }
}

/// A setting in nagios.cfg, and the finding to report if the setting's value prevents or impairs
/// repairs.
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
        text: "enable_event_handlers is 0: Nagios calls no event handlers",
        fix: "set enable_event_handlers=1",
    },
    Switch {
        name: "enable_environment_macros",
        is_wrong: |main| is_on(main, "enable_environment_macros"),
        level: LintLevel::Warning,
        code: "environment-macros",
        text: "enable_environment_macros is 1: each call of an event handler takes much longer and \
               gets hundreds of environment variables, including plugin output",
        fix: "set enable_environment_macros=0; handle_repair does not use environment macros",
    },
    Switch {
        name: "retain_state_information",
        is_wrong: |main| !is_on(main, "retain_state_information"),
        level: LintLevel::Warning,
        code: "no-retention",
        text: "retain_state_information is not 1: when Nagios restarts, it forgets \
               acknowledgements and counts every fault from SOFT 1 again, so faults are repaired \
               again",
        fix: "set retain_state_information=1, with a state_retention_file",
    },
    Switch {
        name: "illegal_macro_output_chars",
        is_wrong: |main| main.text("illegal_macro_output_chars").is_none_or(str::is_empty),
        level: LintLevel::Warning,
        code: "no-illegal-characters",
        text: "illegal_macro_output_chars is empty: Nagios puts plugin output into command lines \
               without removing dangerous characters",
        fix: "set illegal_macro_output_chars=`~$&|'\"<>",
    },
    Switch {
        name: "log_service_retries",
        is_wrong: |main| main.off("log_service_retries").is_some(),
        level: LintLevel::Note,
        code: "no-soft-states-in-log",
        text: "log_service_retries is 0: the log does not contain SOFT states, which repairctl \
               replay needs",
        fix: "set log_service_retries=1 and log_host_retries=1",
    },
    Switch {
        name: "use_regexp_matching",
        is_wrong: |main| is_on(main, "use_regexp_matching"),
        level: LintLevel::Note,
        code: "names-are-patterns",
        text: "use_regexp_matching is 1: lint skips services that select their hosts by pattern",
        fix: EXPANDED,
    },
    Switch {
        name: "use_true_regexp_matching",
        is_wrong: |main| {
            is_on(main, "use_true_regexp_matching") && !is_on(main, "use_regexp_matching")
        },
        level: LintLevel::Note,
        code: "names-are-patterns",
        text: "use_true_regexp_matching is 1: lint skips services that select their hosts by \
               pattern",
        fix: EXPANDED,
    },
];

const EXPANDED: &str = "run lint on the object_cache_file as well; in that file, Nagios has \
                        replaced each pattern by the objects that it matches";

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
            "{name} is handle_repair: Nagios calls it at every state change of every object, and \
             calls it twice for an object whose own event_handler is handle_repair"
        );
        let fix = "remove this line, and set event_handler on the objects that have a _REPAIR";
        findings.add(&value.at, warning("global-handler", text, fix), "");
    }
}

/// Checks that Nagios and the policy name the same file, after resolving symbolic links.
fn same_file(name: &str, ours: &Path, policy: &Path, main: &MainFile, findings: &mut Findings) {
    let Some(theirs) = main.get(name) else { return };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if real(ours) != real(&theirs.path()) {
        let code = if name == "command_file" { "other-command-file" } else { "other-status-file" };
        let text = format!(
            "{name} is {ours} in the policy, but {theirs} in nagios.cfg",
            ours = ours.display(),
            theirs = theirs.text
        );
        let fix = format!("write \"{name}\": \"{}\"", theirs.text);
        findings.add(&place(policy, name), error(code, text, fix), "");
    }
}
