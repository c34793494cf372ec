//! Finds duplicate keys in JSON objects. `serde_json::Value` silently keeps only the last value of
//! such a key, so an administrator who reads the file could be wrong about which value counts.
//! Works only on text that serde_json has already accepted.

use std::collections::HashSet;

/// A duplicate key, and the place where it occurs for the second time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Returns the first key in valid JSON `text` that occurs twice in the same object.
///
/// In valid JSON, a string is a key if and only if a colon follows it. The key belongs to the
/// innermost open object, so arrays need not be tracked.
pub(crate) fn find(text: &str) -> Option<Duplicate> {
    let bytes = text.as_bytes();
    let mut open: Vec<HashSet<String>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' => open.push(HashSet::new()),
            b'}' => drop(open.pop()),
            b'"' => {
                let end = end_of_string(bytes, at);
                if followed_by_colon(bytes, end) {
                    // Decode the key, because "a" and "\u0061" are the same key.
                    let key: String =
                        text.get(at..end).and_then(|raw| serde_json::from_str(raw).ok())?;
                    if open.last_mut().is_some_and(|keys| !keys.insert(key.clone())) {
                        let (line, column) = place(bytes, at);
                        return Some(Duplicate { key, line, column });
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Returns the index after the closing quote of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

fn followed_by_colon(bytes: &[u8], end: usize) -> bool {
    bytes.iter().skip(end).find(|b| !b.is_ascii_whitespace()) == Some(&b':')
}

fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_duplicate_key_with_its_place() {
        let found = find("{\n \"a\": {\"x\": 1},\n \"a\": 2}").unwrap();
        assert_eq!((found.key.as_str(), found.line, found.column), ("a", 3, 2));
        assert!(find(r#"{"a": 1, "\u0061": 2}"#).is_some());
        assert!(find(r#"{"o": [{"k": 1}, {"k": 1, "k" : 2}]}"#).is_some());
        assert!(find(r#"{"a\\": 1, "a\\": 2}"#).is_some());
    }

    #[test]
    fn accepts_same_key_in_different_objects() {
        for fine in [
            r#"{"a": {"a": {"a": "a"}}, "b": ["a", "a", {"a": "}"}], "c": "\"a\": {"}"#,
            r#"[{"a": 1}, {"a": 1}]"#,
            r#""a""#,
            r#"{"a": ":", "b": "a"}"#,
        ] {
            serde_json::from_str::<serde_json::Value>(fine).unwrap();
            assert_eq!(find(fine), None, "{fine}");
        }
    }

    proptest! {
        #[test]
        fn finds_every_duplicate_key(
            keys in prop::collection::hash_set(any::<String>(), 1..6), value in any::<String>()
        ) {
            let value = serde_json::json!({"k": [value, {}]});
            let pair = |key: &String| format!("{}:{value}", serde_json::json!(key));
            let mut pairs: Vec<String> = keys.iter().map(pair).collect();
            let once = format!("{{{}}}", pairs.join(","));
            prop_assert_eq!(find(&once), None);
            pairs.push(pair(keys.iter().next().unwrap()));
            let twice = format!("{{{}}}", pairs.join(" ,\n"));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&twice).is_ok());
            prop_assert!(find(&twice).is_some());
        }
    }
}
