//! Conditions on a JSON document, such as `/status=="up"`.

use std::cmp::Ordering;
use std::str::FromStr;

use serde_json::Value;

/// A condition on the value at a JSON pointer (RFC 6901).
#[derive(Debug, Clone)]
pub struct JsonAssertion {
    /// The condition as typed on the command line.
    pub text: String,
    /// JSON pointer to the value to check.
    pub pointer: String,
    /// Comparison that must hold, or `None` if the value only has to exist.
    condition: Option<(Comparison, Value)>,
}

/// Function that returns whether a comparison such as `<=` holds, given the `Ordering` of its two
/// values. The `Ordering` is `None` if the values cannot be compared.
type Comparison = fn(Option<Ordering>) -> bool;

/// The operators. Longer ones come first, because `<=` would otherwise be parsed as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", |order| order == Some(Ordering::Equal)),
    ("!=", |order| order != Some(Ordering::Equal)),
    ("<=", |order| order.is_some_and(Ordering::is_le)),
    (">=", |order| order.is_some_and(Ordering::is_ge)),
    ("<", |order| order == Some(Ordering::Less)),
    (">", |order| order == Some(Ordering::Greater)),
];

/// Why an assertion is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant describes it")]
pub enum BadAssertion {
    #[error("a JSON pointer must start with /")]
    Pointer,
    #[error("use one of ==, !=, <, <=, > and >= to compare")]
    Operator,
    #[error("put a string in double quotes, for example \"up\"")]
    Value,
}

impl FromStr for JsonAssertion {
    type Err = BadAssertion;

    fn from_str(text: &str) -> Result<JsonAssertion, BadAssertion> {
        let at = text.find(['=', '!', '<', '>']).unwrap_or(text.len());
        let (pointer, rest) = text.split_at(at);
        let pointer = pointer.trim().to_owned();
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(BadAssertion::Pointer);
        }
        let condition = match COMPARISONS
            .iter()
            .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)))
        {
            None if rest.is_empty() => None,
            None => return Err(BadAssertion::Operator),
            Some((comparison, value)) => {
                let value = serde_json::from_str(value.trim()).map_err(|_| BadAssertion::Value)?;
                Some((*comparison, value))
            }
        };
        Ok(JsonAssertion { text: text.to_owned(), pointer, condition })
    }
}

impl JsonAssertion {
    /// Whether the assertion holds for `document`.
    pub fn holds(&self, document: &Value) -> bool {
        let Some(found) = document.pointer(&self.pointer) else { return false };
        let Some((comparison, wanted)) = &self.condition else { return true };
        comparison(order(found, wanted))
    }
}

/// Returns the `Ordering` of two values. Numbers are compared with numbers and strings with
/// strings. Other values are either equal or cannot be compared.
fn order(found: &Value, wanted: &Value) -> Option<Ordering> {
    match (found, wanted) {
        (Value::Number(found), Value::Number(wanted)) => {
            found.as_f64()?.partial_cmp(&wanted.as_f64()?)
        }
        (Value::String(found), Value::String(wanted)) => Some(found.cmp(wanted)),
        _ => (found == wanted).then_some(Ordering::Equal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_assertions() {
        for text in ["status==1", "/x=1", "/x==up", "/x=="] {
            assert!(text.parse::<JsonAssertion>().is_err(), "{text}");
        }
    }
}
