//! Prints the output of `--json`.

use std::fmt::{Display, Write};

use plugin_kit::Out;
use serde_json::{Value, json};

/// The version of the JSON format. It increases when a key is removed or changes its meaning, but
/// not when a key is added.
const VERSION: u32 = 1;

/// Description of all `--json` output, for the manual page. A test compares it with the actual
/// output.
pub const FORM: &str = r#"Every command with --json prints one object. Its "version" is 1. The
version increases when a key is removed or changes its meaning. New keys can
appear without a new version, so ignore keys that you do not know. A value that
is unknown or does not apply is null. Times are in UTC, for example
2026-11-24T03:12:44Z. Durations are in seconds. Host and service names are in
UTF-8. A byte that is not valid UTF-8 is written as an escape like \xF6, and a
backslash that would look like such an escape is written as \x5C. The text
output escapes names in the same way, and all commands accept names in this
form.

A REPAIR is {job, host, service, repair, event, problem, began, ended, seconds,
rungs, outcome, text}.

  doctor   {version, wrong, notes, checks: [{host, check, verdict, text, fix}]}
  explain  {version, host, service, event, decision, repair, reason, text,
           allowed_at, because: {...}, if_broken: {event, decision, repair,
           reason, text, allowed_at, because: {...}}, next: {trigger, at}}
  history  {version, repairs: [REPAIR]}
  history --refused
           {version, refusals: [{at, host, service, event, reason, text}],
           counts: [{host, service, reason, count, first, last}], complete}
           "counts" covers the newest 10000 refusals, or all refusals that
           --limit lists if these are more, and has at most 10000 elements.
           "complete" is false if some refusals are not counted.
  lint     {version, services, hosts, complete, findings: [{level, code, file,
           line, text, objects, fix}]}
  replay   {version, from, to, lines, logs, not_read, objects_known_from,
           assumed, incidents, repairs, healed, not_healed, refused,
           refusals: [{reason, count}], no_repair_called_for: [{reason,
           count}], events_that_would_not_have_been, notifications,
           notifications_saved, objects: [{host, service, incidents, repairs,
           refused, notifications, saved}]}
  replay --decisions
           the object of replay on the last line, and before it one line for
           each decision:
           {version, at, host, service, event, decision, repair, reason, text}
  show     {version, steps: [{at, after_seconds, step, rung, text}]} and the
           keys of a REPAIR
  status   {version, paused, pauses: [{host, service, by, reason, since,
           until}], running: [REPAIR, worker], unknown: [REPAIR],
           breakers: [{host, service, ineffective, seconds_left}],
           fleet: {running: {now, allowed}, started: {now, allowed,
           per_seconds}, trouble: {now, of, allowed_percent, seconds_old}},
           policy, ledger}
  sweep    {version, ended, why, not_offered, still_running, objects: [{host,
           service, outcome, code, text, missed, job}]}"#;

/// Prints a command's output as one object, which consists of `members` and the version.
pub fn print(members: Value, out: &mut Out) {
    out.line(text(format_args!("{:#}", versioned(members))));
}

/// Prints an object whose lists can have any length, in the format of [`print()`]. Prints the
/// elements of a list one by one, so that the list need not fit into memory.
pub struct ListPrinter {
    is_empty: bool,
}

impl ListPrinter {
    /// Prints the beginning of the object, up to the list `name`.
    pub fn begin(name: &str, out: &mut Out) -> ListPrinter {
        out.bytes(format!("{{\n  {}: [", json!(name)).as_bytes());
        ListPrinter { is_empty: true }
    }

    /// Prints the end of the list, and the beginning of another list.
    pub fn next(&mut self, name: &str, out: &mut Out) {
        self.close(out);
        out.bytes(format!(",\n  {}: [", json!(name)).as_bytes());
        self.is_empty = true;
    }

    /// Prints one element of the list.
    pub fn element(&mut self, element: &Value, out: &mut Out) {
        let comma = if self.is_empty { "" } else { "," };
        self.is_empty = false;
        out.bytes(format!("{comma}\n    {}", indented(element, "    ")).as_bytes());
    }

    /// Closes the list and prints the remaining members of the object.
    pub fn end(self, members: Value, out: &mut Out) {
        self.close(out);
        if let Value::Object(members) = versioned(members) {
            for (name, value) in &members {
                out.bytes(format!(",\n  {}: {}", json!(name), indented(value, "  ")).as_bytes());
            }
        }
        out.line("\n}");
    }

    fn close(&self, out: &mut Out) {
        out.bytes(if self.is_empty { b"]" } else { b"\n  ]" });
    }
}

/// Returns a value as text, with all lines except the first indented.
fn indented(value: &Value, indent: &str) -> String {
    text(format_args!("{value:#}")).replace('\n', &format!("\n{indent}"))
}

/// Prints an object with its version on one line, for a command that prints several objects.
pub fn print_line(members: Value, out: &mut Out) {
    out.line(text(versioned(members)));
}

fn versioned(members: Value) -> Value {
    merged(members, json!({ "version": VERSION }))
}

/// Returns an object with the members of both values. If both contain the same key, the member of
/// `more` wins. Returns `value` unchanged if either value is not an object.
pub fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

/// Returns JSON that is safe to show on a terminal. Escapes the characters that control a terminal
/// or can disguise text. These escapes do not change the value. JSON itself requires escapes only
/// for ASCII control characters (RFC 8259, section 7).
fn text(json: impl Display) -> String {
    let json = json.to_string();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '\n' | ' '..='~')
            || plugin_kit::clean(c.encode_utf8(&mut [0; 4])).starts_with(c)
        {
            text.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(text, "\\u{unit:04x}");
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_characters_that_control_a_terminal() {
        assert_eq!(
            text(json!(["\u{9b}31m\u{7f}", "\u{202e}é|"])),
            r#"["\u009b31m\u007f","\u202eé|"]"#
        );
    }

    proptest! {
        #[test]
        fn escaping_keeps_the_value(string in any::<String>()) {
            let value = json!({ &string: [string] });
            let pretty = text(format_args!("{value:#}"));
            prop_assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), value);
            prop_assert!(!pretty.replace('\n', "").contains(char::is_control));
        }
    }
}
