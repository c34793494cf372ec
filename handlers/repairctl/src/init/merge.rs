//! Adds repairs to the text of an existing policy.json or repairs.json without changing the rest of
//! the text. All functions are pure.

use serde_json::{Map, Value};

/// Why repairs cannot be added to a file.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The file is not valid JSON.
    #[error("{0}")]
    NotJson(#[from] serde_json::Error),
    /// The object `repairs` is missing at the top level, or its end was not found in the text.
    #[error("the object \"repairs\" is missing at the top level")]
    NoRepairs,
}

/// The text of a file after repairs were added.
#[derive(Debug, PartialEq, Eq)]
pub struct MergedFile {
    /// The complete new text of the file.
    pub text: String,
    /// Only the lines that were added.
    pub added: String,
}

/// Adds new `repairs` to the object `repairs` in `text`. Skips those that the object already
/// contains, and returns `None` if it contains all of them.
pub fn merge(text: &str, repairs: &Map<String, Value>) -> Result<Option<MergedFile>, MergeError> {
    let mut wanted: Value = serde_json::from_str(text)?;
    let known = wanted.get_mut("repairs").and_then(Value::as_object_mut);
    let known = known.ok_or(MergeError::NoRepairs)?;
    let is_new = |entry: &(&String, &Value)| !known.contains_key(entry.0);
    let new: Vec<(&String, &Value)> = repairs.iter().filter(is_new).collect();
    if new.is_empty() {
        return Ok(None);
    }
    let was_empty = known.is_empty();
    known.extend(new.iter().map(|(name, repair)| ((*name).clone(), (*repair).clone())));
    let added: Vec<String> = new.iter().map(|(name, repair)| entry(name, repair)).collect();
    let added = added.join(",\n");
    let end = end_of_repairs(text).ok_or(MergeError::NoRepairs)?;
    let (before, after) = text.split_at(end);
    let comma = if was_empty { "" } else { "," };
    let text = format!("{}{comma}\n{added}\n  {after}", before.trim_end());
    match serde_json::from_str::<Value>(&text) {
        Ok(made) if made == wanted => Ok(Some(MergedFile { text, added })),
        _ => Err(MergeError::NoRepairs),
    }
}

/// Formats one repair as an indented member of the object `repairs`.
fn entry(name: &str, repair: &Value) -> String {
    let text = format!("{}: {repair:#}", Value::from(name));
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Returns the byte offset of the brace that closes the object `repairs`. `text` must be valid
/// JSON.
fn end_of_repairs(text: &str) -> Option<usize> {
    let (mut at, mut depth, mut repairs, mut is_next) = (0, 0_u32, None, false);
    while let Some(c) = text.get(at..)?.chars().next() {
        match c {
            '"' => {
                let (string, after) = text.get(at..)?.split_at(string_length(text.get(at..)?)?);
                let is_key = after.trim_start().starts_with(':');
                is_next = depth == 1 && is_key && string == "\"repairs\"";
                at += string.len();
                continue;
            }
            '{' | '[' => {
                depth += 1;
                if std::mem::take(&mut is_next) {
                    repairs = Some(depth);
                }
            }
            '}' | ']' if repairs == Some(depth) => return Some(at),
            '}' | ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += c.len_utf8();
    }
    None
}

/// Returns the length in bytes of the JSON string at the start of `text`, including its quotes.
fn string_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return Some(at + 1),
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn repairs(names: &[&str]) -> Map<String, Value> {
        names.iter().map(|name| ((*name).to_owned(), json!({"run": ["/bin/true"]}))).collect()
    }

    #[test]
    fn adds_missing_repairs_and_keeps_the_rest() {
        let text = "{ \"note\": \"repairs: }\\\"\\\\\",\n  \"repairs\":   {\"httpd\":{ }}  }\n";
        let merged = merge(text, &repairs(&["httpd", "mariadb"])).unwrap().unwrap();
        assert_eq!(
            merged.text,
            "{ \"note\": \"repairs: }\\\"\\\\\",\n  \"repairs\":   {\"httpd\":{ },\n    \
             \"mariadb\": {\n      \"run\": [\n        \"/bin/true\"\n      ]\n    }\n  }  }\n"
        );
        assert_eq!(merge(&merged.text, &repairs(&["httpd", "mariadb"])).unwrap(), None);
        let merged = merge("{\"repairs\": {}}", &repairs(&["a", "b"])).unwrap().unwrap();
        assert_eq!(merge(&merged.text, &repairs(&["a", "b"])).unwrap(), None);
        for bad in ["", "[]", "{}", "{\"repairs\": []}", "{\"x\": {\"repairs\": {}}}"] {
            assert!(merge(bad, &repairs(&["a"])).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn finds_the_object_repairs_despite_arbitrary_strings(
            key in ".*", value in ".*", name in ".*", pretty in any::<bool>(),
        ) {
            let file = json!({ "a": {"repairs": {"x": &value}}, &key: [&value, {}],
                "repairs": { &name: {"x": ["}", &value]} }, "z": &value });
            let text = if pretty { format!("{file:#}") } else { file.to_string() };
            let merged = merge(&text, &repairs(&["the new one"])).unwrap().unwrap();
            let mut wanted = file;
            wanted["repairs"]["the new one"] = json!({"run": ["/bin/true"]});
            prop_assert_eq!(serde_json::from_str::<Value>(&merged.text).unwrap(), wanted);
        }
    }
}
