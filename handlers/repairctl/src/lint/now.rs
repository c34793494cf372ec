//! What was switched off while Nagios ran: it survives restarts in the retention file, and no
//! configuration shows it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::rc::Rc;

use super::finding::{Findings, error};
use crate::configuration::{At, Configuration};

/// Looks at the status file; one that cannot be read tells nothing.
pub fn check(configuration: &Configuration, findings: &mut Findings) {
    let Some(named) = configuration.main.get("status_file") else { return };
    let path = named.at.file.parent().unwrap_or(Path::new("")).join(&named.text);
    let is_meant =
        configuration.main.get("enable_event_handlers").is_some_and(|value| !value.is_on());
    if let Ok(file) = safe_file::open(&path) {
        scan(&path, BufReader::new(file), is_meant, findings);
    }
}

/// The fields of a block that matter here.
#[derive(Default)]
struct Block {
    host: String,
    service: String,
    disabled: Option<u32>,
    has_repair: bool,
    /// Something was changed by an external command.
    is_modified: bool,
}

fn scan(path: &Path, mut file: impl BufRead, is_meant: bool, findings: &mut Findings) {
    let path: Rc<Path> = path.into();
    let (mut block, mut is_program, mut number) = (Block::default(), false, 0);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        number += 1;
        let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        line.clear();
        let at = |line| At { file: Rc::clone(&path), line };
        if text.ends_with('{') {
            (block, is_program) = (Block::default(), text.starts_with("programstatus"));
        } else if text == "}" {
            if let Some(line) = block.disabled.filter(|_| block.has_repair && block.is_modified) {
                let kind = if block.service.is_empty() { "HOST" } else { "SVC" };
                let text = "its event handler was switched off while Nagios ran: handle_repair is \
                            never called";
                let fix = format!(
                    "switch it on in Nagios' web pages, or send ENABLE_{kind}_EVENT_HANDLER to its \
                     command file"
                );
                let object = if block.service.is_empty() {
                    block.host.clone()
                } else {
                    format!("{}/{}", block.host, block.service)
                };
                findings.add(&at(line), error("handler-switched-off", text, fix), &object);
            }
            block = Block::default();
        } else if let Some((name, value)) = text.split_once('=') {
            match name {
                "enable_event_handlers" if is_program && !is_meant && value == "0" => {
                    let text = "event handlers were switched off while Nagios ran: Nagios calls \
                                none at all";
                    let fix = "switch them on in Nagios' web pages, or send ENABLE_EVENT_HANDLERS \
                               to its command file";
                    findings.add(&at(number), error("handlers-switched-off", text, fix), "");
                }
                "host_name" => block.host = value.to_owned(),
                "service_description" => block.service = value.to_owned(),
                "event_handler_enabled" if value == "0" => block.disabled = Some(number),
                "modified_attributes" => block.is_modified = value != "0",
                // `_REPAIR=0;httpd`
                "_REPAIR" => block.has_repair = value.len() > 2,
                _ => {}
            }
        }
    }
}
