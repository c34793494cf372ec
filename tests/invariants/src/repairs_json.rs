//! repairs.json, which says what may be run on the repaired host.

use std::time::Duration;

use repair_gate::config::{RepairDefinition, parse};
use serde_json::Value;

use crate::json::keys_are_unique;
use crate::text::is_harmless;

/// More than a line of a log or a terminal should have to hold.
const LONGEST_COMPLAINT: usize = 1000;

/// What is accepted says everything once, names programs by absolute paths, and is run as it is
/// written.
pub fn repairs_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let repairs = match parse(text) {
        Ok(repairs) => repairs,
        Err(bad) => {
            let said = bad.to_string();
            assert!(
                said.starts_with(':') && is_harmless(&said) && said.len() < LONGEST_COMPLAINT,
                "{said:?}"
            );
            return;
        }
    };
    assert!(keys_are_unique(bytes), "a key is there twice");
    let whole: Value = serde_json::from_str(text).expect("what is accepted is JSON");
    let written =
        whole.get("repairs").and_then(Value::as_object).expect("what is accepted has repairs");
    assert_eq!(
        whole.as_object().map(serde_json::Map::len),
        Some(1),
        "an unknown key was passed over"
    );
    assert_eq!(written.len(), repairs.iter().count(), "a repair was lost");
    for (name, repair) in repairs.iter() {
        let written = written.get(name.as_str()).expect("a repair has the name that is written");
        assert_eq!(
            written.get("run"),
            Some(&Value::from(repair.run.clone())),
            "another command than the written one"
        );
        assert_eq!(written.get("as").and_then(Value::as_str), repair.user.as_deref());
        assert!(
            repairs.longest_retention()
                >= repair
                    .cooldown
                    .max(repair.budget.map_or(Duration::ZERO, |budget| budget.window))
        );
        sound(repair);
    }
}

fn sound(repair: &RepairDefinition) {
    assert!((1..=3600).contains(&repair.timeout.as_secs()), "{repair:?}");
    assert!(repair.cooldown.as_secs() <= 7 * 86400, "{repair:?}");
    assert!(
        repair.budget.is_none_or(
            |budget| budget.count > 0 && (1..=7 * 86400).contains(&budget.window.as_secs())
        ),
        "{repair:?}"
    );
    assert!(repair.diagnose.len() <= 8, "{repair:?}");
    if let Some(user) = &repair.user {
        // sudoers(5): a word of capitals is an alias, `%` begins a group, `#` a number.
        assert!(
            user.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b)),
            "{user:?}"
        );
        assert!(
            user.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_'),
            "{user:?}"
        );
    }
    for argv in [&repair.run].into_iter().chain(&repair.diagnose) {
        let program = argv.first().expect("a command has a program");
        let parts =
            program.strip_prefix('/').expect("a program is named by its absolute path").split('/');
        assert!(parts.clone().all(|part| !["", ".", ".."].contains(&part)), "{program:?}");
        for word in argv {
            assert!(!word.is_empty() && !word.chars().any(char::is_control), "{word:?}");
            // What stands in a sudoers file, where these have a meaning and a blank ends a word.
            assert!(
                repair.user.is_none()
                    || !word
                        .contains(['\\', '"', '\'', '#', '!', ' ', '(', ')', '|', ';', '&', '$']),
                "{word:?}"
            );
        }
    }
}
