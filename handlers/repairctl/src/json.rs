//! What `--json` prints, put together from parts.

use serde_json::Value;

/// One object with the members of both; those of `more` win. Anything else than two objects stays as `value` is.
pub fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}
