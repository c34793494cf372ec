//! Counts the values in the text of an answer, and removes control characters, before the answer is
//! parsed. A parser that accepts any JSON would need dozens of bytes of memory for each byte of a
//! hostile answer.

use plugin_kit::printable;

/// Returns the number of arrays, objects and strings, including the keys of objects. A short value
/// of these kinds needs far more memory than its text. Numbers do not count, because they need at
/// most eight times as much memory as their text.
pub fn large_values(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (0, false, false);
    for byte in json {
        match (in_string, byte) {
            _ if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (true, b'"') => in_string = false,
            (false, b'"') => (count, in_string) = (count + 1, true),
            (false, b'[' | b'{') => count += 1,
            _ => {}
        }
    }
    count
}

/// Replaces the control characters in all strings with blanks, as [`printable`] does, even if they
/// are written as escape sequences.
pub fn clean(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((between, string)) = rest.split_once('"') {
        clean.push_str(between);
        clean.push('"');
        rest = clean_string(string, &mut clean);
    }
    clean + rest
}

/// Copies the rest of a string and its closing quote to `clean`. Returns what comes after it.
fn clean_string<'a>(mut rest: &'a str, clean: &mut String) -> &'a str {
    while let Some(end) = rest.find(['"', '\\']) {
        let (text, special) = rest.split_at(end);
        clean.push_str(&printable(text));
        if let Some(after) = special.strip_prefix('"') {
            clean.push('"');
            return after;
        }
        let (escape, text) = first_escape(special);
        // Replace only the escapes of control characters. All others stay as they are: a quote or a
        // backslash must stay escaped, and the parser reports an invalid escape.
        match text.map(|text| (printable(&text), text)) {
            Some((printable, text)) if printable != text => clean.push_str(&printable),
            _ => clean.push_str(escape),
        }
        rest = special.get(escape.len()..).unwrap_or_default();
    }
    clean.push_str(&printable(rest));
    ""
}

/// Returns the escape sequence at the beginning of `rest`, and the character for which it stands.
/// A sequence has 2 or 6 bytes, or 12 if it is a surrogate pair (RFC 8259, section 7).
fn first_escape(rest: &str) -> (&str, Option<String>) {
    let parsed = [2, 6, 12].into_iter().find_map(|length| {
        let escape = rest.get(..length)?;
        let text = serde_json::from_str(&format!("\"{escape}\"")).ok()?;
        Some((escape, Some(text)))
    });
    parsed.unwrap_or((rest.get(..2).unwrap_or(rest), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn counts_arrays_objects_and_strings() {
        for (text, count) in
            [("[1,2]", 1), (r#"{"a":[1,"[{\"[",3]}"#, 4), (r#"["\\",[]]"#, 3), ("1", 0)]
        {
            assert_eq!(large_values(text.as_bytes()), count, "{text}");
        }
    }

    #[test]
    fn cleans_every_spelling_of_a_control_character() {
        for (text, wanted) in [
            (r#"["\u001b[2J|\n\t\u009b\u202E", 1]"#, r#"[" [2J|    ", 1]"#),
            ("[\"\u{9b}é\u{202e}\"]", "[\" é \"]"),
            (
                r#"{"\"\\\/\u0022\u005c\ud83d\ude00": "é"}"#,
                r#"{"\"\\\/\u0022\u005c\ud83d\ude00": "é"}"#,
            ),
            (r#""\"\u0007"#, r#""\" "#),
            (r#""\ud83d\u0041\x""#, r#""\ud83d\u0041\x""#),
            ("\"\\é", "\"\\é"),
        ] {
            assert_eq!(clean(text), wanted);
        }
    }

    fn cleaned(value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(printable(&text)),
            Value::Array(all) => all.into_iter().map(cleaned).collect(),
            Value::Object(all) => {
                all.into_iter().map(|(key, value)| (printable(&key), cleaned(value))).collect()
            }
            value => value,
        }
    }

    proptest! {
        #[test]
        fn cleans_text_as_it_would_clean_the_strings(
            strings in prop::collection::vec(any::<String>(), 4), escaped in any::<bool>()
        ) {
            let value = json!({"a": strings, "b": {&strings[0]: 1}});
            let mut text = value.to_string();
            if escaped {
                let escape = |c: char| match c.is_ascii() {
                    true => c.to_string(),
                    false => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}"))
                        .collect(),
                };
                text = text.chars().map(escape).collect();
            }
            let parsed: Value = serde_json::from_str(&clean(&text)).unwrap();
            prop_assert_eq!(parsed, cleaned(value));
        }
    }
}
