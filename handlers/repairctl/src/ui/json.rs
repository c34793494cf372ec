//! The output of `--json`.

use std::fmt::{Display, Write};

use serde_json::Value;

/// Returns one object with the members of both; those of `more` win. If one of them is not an
/// object, returns `value`.
pub fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

/// Returns JSON for a terminal: characters that act on it or disguise a text are escaped, which is
/// the same to a program. JSON itself requires that of ASCII only (RFC 8259, 7).
pub fn text(json: impl Display) -> String {
    let json = json.to_string();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '\n' | '|') || plugin_kit::clean(c.encode_utf8(&mut [0; 4])).starts_with(c) {
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
    use serde_json::json;

    #[test]
    fn escapes_what_acts_on_a_terminal() {
        assert_eq!(
            text(json!(["\u{9b}31m\u{7f}", "\u{202e}é|"])),
            r#"["\u009b31m\u007f","\u202eé|"]"#
        );
    }

    proptest! {
        #[test]
        fn means_the_same(said in any::<String>()) {
            let value = json!({ &said: [said] });
            let pretty = text(format_args!("{value:#}"));
            prop_assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), value);
            prop_assert!(!pretty.replace('\n', "").contains(char::is_control));
        }
    }
}
