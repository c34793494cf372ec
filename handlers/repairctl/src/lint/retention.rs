//! Finds event handlers that were switched off while Nagios was running. The configuration files do
//! not show this, but Nagios keeps the setting across restarts in its retention file.

use std::path::Path;
use std::rc::Rc;

use engine::configuration::{Configuration, Location};
use engine::status_file::{self, ObjectStatus};

use policy::spell;

use super::finding::{Findings, error};

/// Reports the handlers that are switched off according to Nagios' status file. Does nothing if the
/// status file is unreadable.
pub fn check(configuration: &Configuration, findings: &mut Findings) {
    let main = &configuration.main;
    let Some(named) = main.get("status_file") else { return };
    let path = named.path();
    let file: Rc<Path> = path.as_path().into();
    let at = |line| Location { file: Rc::clone(&file), line };
    let program = status_file::read(&path, |object| {
        let is_off = !object.event_handler_enabled && object.event_handler_line > 0;
        if is_off && object.has_repair() && object.is_modified {
            switched_off(&at(object.event_handler_line), object, findings);
        }
    });
    let is_meant = main.off("enable_event_handlers").is_some();
    if let Ok(program) = program
        && !program.event_handlers
        && program.event_handlers_line > 0
        && !is_meant
    {
        let text = "event handlers were disabled for all objects while Nagios was running, so no \
                    repairs will run";
        let fix = "switch them on in Nagios' web interface, or send ENABLE_EVENT_HANDLERS to \
                   Nagios' command file";
        let finding = error("handlers-switched-off", text, fix);
        findings.add(&at(program.event_handlers_line), finding, "");
    }
}

fn switched_off(at: &Location, object: &ObjectStatus, findings: &mut Findings) {
    let (kind, label) = match object.service() {
        Some(service) => ("SVC", format!("{}/{}", spell(&object.host), spell(service))),
        None => ("HOST", spell(&object.host)),
    };
    let text = "the event handler was switched off while Nagios was running: handle_repair is \
                never called";
    let fix = format!(
        "switch it on in Nagios' web interface, or send ENABLE_{kind}_EVENT_HANDLER to Nagios' \
         command file"
    );
    findings.add(at, error("handler-switched-off", text, fix), &label);
}
