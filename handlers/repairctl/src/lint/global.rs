//! What the main file says about event handlers, and whether it and the policies mean the same
//! files.

use std::path::Path;

use super::finding::{Finding, Findings, error, note, warning};
use super::handler;
use super::policies::{Policies, place};
use crate::configuration::{At, Configuration, MainFile};

/// Looks at the main file; there is none when an object file was named.
pub fn check(configuration: &Configuration, policies: &Policies, findings: &mut Findings) {
    let main = &configuration.main;
    let Some(whole) = main.at() else { return };
    switches(main, &whole, findings);
    for name in ["global_host_event_handler", "global_service_event_handler"] {
        global_handler(name, configuration, findings);
    }
    for (path, config) in policies.usable() {
        if let Some(ours) = &config.command_file {
            if let Some(value) = main.get("check_external_commands").filter(|value| !value.is_on())
            {
                let text = "check_external_commands is 0: Nagios hears of no repair, and no check \
                            follows it";
                findings.add(
                    &value.at,
                    error("no-external-commands", text, "set check_external_commands=1"),
                    "",
                );
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
                findings.add(
                    at,
                    warning("old-status-file", text, "set status_update_interval=10"),
                    "",
                );
            }
        }
    }
}

fn switches(main: &MainFile, whole: &At, findings: &mut Findings) {
    let mut wrong = |name: &str, is_wrong: bool, finding: Finding| {
        if is_wrong {
            findings.add(main.get(name).map_or(whole, |value| &value.at), finding, "");
        }
    };
    let is_off = |name: &str| main.get(name).is_some_and(|value| !value.is_on());
    let is_on = |name: &str| main.get(name).is_some_and(|value| value.is_on());
    wrong(
        "enable_event_handlers",
        is_off("enable_event_handlers"),
        error(
            "handlers-disabled",
            "enable_event_handlers is 0: Nagios calls no event handler at all",
            "set enable_event_handlers=1",
        ),
    );
    wrong(
        "enable_environment_macros",
        is_on("enable_environment_macros"),
        warning(
            "environment-macros",
            "enable_environment_macros is 1: every call gets hundreds of variables, plugin output \
             among them, and costs many times as much",
            "set enable_environment_macros=0; handle_repair needs none of them",
        ),
    );
    wrong(
        "retain_state_information",
        !is_on("retain_state_information"),
        warning(
            "no-retention",
            "state is not retained: after a restart of Nagios every fault begins again at SOFT 1, \
             acknowledgements are lost, and it is repaired again",
            "set retain_state_information=1, with a state_retention_file",
        ),
    );
    wrong(
        "illegal_macro_output_chars",
        main.get("illegal_macro_output_chars").is_none_or(|value| value.text.is_empty()),
        warning(
            "no-illegal-characters",
            "illegal_macro_output_chars is empty: plugin output reaches command lines as it is",
            "set illegal_macro_output_chars=`~$&|'\"<>",
        ),
    );
    wrong(
        "log_service_retries",
        is_off("log_service_retries"),
        note(
            "no-soft-states-in-log",
            "log_service_retries is 0: the log does not show SOFT states, which repairctl replay \
             needs",
            "set log_service_retries=1 and log_host_retries=1",
        ),
    );
    let regexps = if is_on("use_regexp_matching") {
        "use_regexp_matching"
    } else {
        "use_true_regexp_matching"
    };
    wrong(
        regexps,
        is_on(regexps),
        note(
            "names-are-patterns",
            format!(
                "{regexps} is 1: services whose hosts are chosen by patterns are not looked at"
            ),
            "lint the object_cache_file as well: there they are expanded",
        ),
    );
}

fn global_handler(name: &'static str, configuration: &Configuration, findings: &mut Findings) {
    let Some(value) = configuration.main.get(name) else { return };
    let command =
        value.text.split('!').next().and_then(|name| configuration.objects.commands.get(name));
    if command.is_some_and(|command| {
        handler::find(&handler::words(&command.line), &configuration.main).is_some()
    }) {
        let text = format!(
            "{name} is handle_repair: it is started for every change of everything, and twice \
             where an object names it too"
        );
        let fix = "remove it, and name handle_repair where there is a _REPAIR";
        findings.add(&value.at, warning("global-handler", text, fix), "");
    }
}

/// Nagios' file and the policy's must be the same one; links to it are.
fn same_file(
    name: &'static str,
    ours: &Path,
    policy: &Path,
    main: &MainFile,
    findings: &mut Findings,
) {
    let Some(theirs) = main.get(name) else { return };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let beside = theirs.at.file.parent().unwrap_or(Path::new("")).join(&theirs.text);
    if real(ours) != real(&beside) {
        let code = if name == "command_file" { "other-command-file" } else { "other-status-file" };
        let text = format!("{name} is {}, and Nagios' own is {}", ours.display(), theirs.text);
        let fix = format!("write \"{name}\": \"{}\"", theirs.text);
        findings.add(&place(policy, name), error(code, text, fix), "");
    }
}
