//! Tests that no comment, message or document uses a word that was retired because readers stumbled
//! over it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use e2e::texts::{self, Text};

/// Each retired word, and what to write instead.
const RETIRED: [(&str, &str); 13] = [
    ("whoever", "anyone who; the account, person or program that"),
    ("whatever", "any; every; even if"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("stands still", "does nothing; takes no action"),
    ("stand still", "do nothing; take no action"),
    ("handed over", "dispatched; escalated"),
    ("hands over", "dispatches; escalates"),
    ("soon back", "relapsed"),
    ("held against", "compared with"),
    ("breaks off", "is truncated"),
    ("cannot tell", "inconclusive"),
    ("sure enough", "confirmed"),
];

#[test]
fn uses_no_retired_word() {
    let all = [texts::comments(), texts::outputs(), texts::paragraphs()];
    // Skip the change log, because it lists words that have changed.
    let is_ours = |text: &&Text| !text.file.ends_with("CHANGELOG.md");
    let mut found = Vec::new();
    for text in all.iter().flatten().filter(is_ours) {
        let words = words(&text.text);
        for (old, new) in RETIRED.iter().filter(|(old, _)| words.contains(&format!(" {old} "))) {
            found.push(format!("{}:{}: '{old}': {new}", text.file.display(), text.line));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Returns the words of a text in lower case, with a blank before and after each word.
fn words(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphabetic() && c != '\'');
    format!(" {} ", words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}
