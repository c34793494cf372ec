//! What `--json` prints, put together from parts.

use std::fmt::{Display, Write};

use serde_json::Value;

/// One object with the members of both; those of `more` win. Anything else than two objects stays
/// as `value` is.
pub fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

/// JSON as it is printed. People look at it too: what would act on their terminal or disguise what
/// they read is escaped, and to a program it is the same. JSON itself only asks for that of ASCII
/// (RFC 8259, 7).
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
    fn what_acts_on_a_terminal_is_escaped() {
        assert_eq!(
            text(json!(["\u{9b}31m\u{7f}", "\u{202e}é|"])),
            r#"["\u009b31m\u007f","\u202eé|"]"#
        );
    }

    proptest! {
        #[test]
        fn it_says_the_same(said in any::<String>()) {
            let value = json!({ &said: [said] });
            let pretty = text(format_args!("{value:#}"));
            prop_assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), value);
            prop_assert!(!pretty.replace('\n', "").contains(char::is_control));
        }
    }
}
