//! Invariants of the parser for repairs.json, which defines the commands that a gate may run.

use std::time::Duration;

use repair_gate::config::{RepairDefinition, parse};
use serde_json::Value;

use crate::json::keys_are_unique;
use crate::text::is_harmless;

/// Maximum length of an error message in bytes. The message must fit into a log line.
const LONGEST_COMPLAINT: usize = 1000;

/// Checks every file that the parser accepts. The file has no duplicate or unknown keys and names
/// programs by absolute paths. The parsed commands are those in the file.
pub fn repairs_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let repairs = match parse(text) {
        Ok(repairs) => repairs,
        Err(bad) => {
            let text = bad.to_string();
            assert!(
                text.starts_with(':') && is_harmless(&text) && text.len() < LONGEST_COMPLAINT,
                "{text:?}"
            );
            return;
        }
    };
    assert!(keys_are_unique(bytes), "duplicate key");
    let whole: Value = serde_json::from_str(text).expect("an accepted file is JSON");
    let written =
        whole.get("repairs").and_then(Value::as_object).expect("an accepted file has repairs");
    assert_eq!(whole.as_object().map(serde_json::Map::len), Some(1), "an unknown key was ignored");
    assert_eq!(written.len(), repairs.iter().count(), "a repair is missing");
    for (name, repair) in repairs.iter() {
        let written = written.get(name.as_str()).expect("the repair is in the file");
        assert_eq!(
            written.get("run"),
            Some(&Value::from(repair.run.clone())),
            "the command differs from the file"
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
        // In sudoers(5), a word in capitals is an alias, `%` begins a group and `#` a user ID. The
        // user's name must not be readable as one of these.
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
        let parts = program.strip_prefix('/').expect("a program has an absolute path").split('/');
        assert!(parts.clone().all(|part| !["", ".", ".."].contains(&part)), "{program:?}");
        for word in argv {
            assert!(!word.is_empty() && !word.chars().any(char::is_control), "{word:?}");
            // The commands of a repair with a user are also written to a sudoers file, in which
            // these characters are special.
            assert!(
                repair.user.is_none()
                    || !word
                        .contains(['\\', '"', '\'', '#', '!', ' ', '(', ')', '|', ';', '&', '$']),
                "{word:?}"
            );
        }
    }
}
