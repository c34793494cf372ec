//! What a body of JSON has to say: `/status=="up"`, and numbers in it as perfdata. Pure.

use std::cmp::Ordering;
use std::str::FromStr;

use plugin_kit::{Number, Perfdata};
use serde_json::Value;

/// Larger bodies are not read as JSON: a parsed one takes many times its size.
const MAX_JSON: usize = 1 << 20;

/// A condition on a place in a document (a JSON pointer, RFC 6901).
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    typed: String,
    pointer: String,
    /// What the value there must be; without it, it must be there.
    must: Option<(Comparison, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The longer ones first: `<=` is not `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl FromStr for Assertion {
    type Err = String;

    fn from_str(typed: &str) -> Result<Assertion, String> {
        let at = typed.find(['=', '!', '<', '>']).unwrap_or(typed.len());
        let (pointer, rest) = typed.split_at(at);
        let pointer = pointer.trim().to_owned();
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err("a JSON pointer begins with /".into());
        }
        let must = match COMPARISONS
            .iter()
            .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)))
        {
            None if rest.is_empty() => None,
            None => return Err("compare with ==, !=, <, <=, > or >=".into()),
            Some((comparison, value)) => {
                let value = serde_json::from_str(value.trim())
                    .map_err(|_| "a text goes in quotes: \"up\"".to_owned())?;
                Some((*comparison, value))
            }
        };
        Ok(Assertion { typed: typed.to_owned(), pointer, must })
    }
}

impl Assertion {
    fn holds(&self, document: &Value) -> bool {
        let Some(found) = document.pointer(&self.pointer) else { return false };
        let Some((comparison, wanted)) = &self.must else { return true };
        let order = order(found, wanted);
        match comparison {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// Numbers and texts have an order, other values are equal or not.
fn order(found: &Value, wanted: &Value) -> Option<Ordering> {
    match (found, wanted) {
        (Value::Number(found), Value::Number(wanted)) => {
            found.as_f64()?.partial_cmp(&wanted.as_f64()?)
        }
        (Value::String(found), Value::String(wanted)) => Some(found.cmp(wanted)),
        _ => (found == wanted).then_some(Ordering::Equal),
    }
}

/// The complaints of every assertion that does not hold.
pub fn complaints(body: &[u8], assertions: &[Assertion]) -> Vec<String> {
    if assertions.is_empty() {
        return Vec::new();
    }
    match read(body) {
        Err(why) => vec![why],
        Ok(document) => {
            let failed = assertions.iter().filter(|assertion| !assertion.holds(&document));
            failed.map(|assertion| {
                let found =
                    document.pointer(&assertion.pointer).map_or("nothing there".to_owned(), shown);
                format!("JSON: not {} ({found})", assertion.typed)
            })
        }
        .collect(),
    }
}

/// The numbers at these places; what is no number is left out.
pub fn perfdata(body: &[u8], pointers: &[String]) -> Vec<Perfdata> {
    let Some(document) =
        Some(pointers).filter(|pointers| !pointers.is_empty()).and_then(|_| read(body).ok())
    else {
        return Vec::new();
    };
    let number = |value: &Value| {
        value.as_u64().map(Number::Count).or_else(|| value.as_f64().map(Number::Decimal))
    };
    let item = |pointer: &String| {
        Some(Perfdata::new(
            pointer.trim_start_matches('/'),
            number(document.pointer(pointer)?)?,
            "",
        ))
    };
    pointers.iter().filter_map(item).collect()
}

fn read(body: &[u8]) -> Result<Value, String> {
    if body.len() > MAX_JSON {
        return Err(format!("JSON: the body is larger than {} MiB", MAX_JSON >> 20));
    }
    serde_json::from_slice(body).map_err(|why| format!("JSON: {why}"))
}

/// A value, in few words.
fn shown(value: &Value) -> String {
    const ENOUGH: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &[u8] =
        br#"{"status":"up","queue":{"depth":17,"age":0.5},"nodes":[{"ok":true}],"a/b":null}"#;

    fn said(assertion: &str) -> Vec<String> {
        complaints(BODY, &[assertion.parse().unwrap()])
    }

    #[test]
    fn assertions_hold_or_say_why_not() {
        for holds in [
            "/status==\"up\"",
            "/status",
            "/queue/depth<20",
            "/queue/depth >= 17",
            "/queue/age!=1",
            "/nodes/0/ok==true",
            "/a~1b==null",
            "/nodes==[{\"ok\":true}]",
            "/queue/depth==17.0",
            "/status>\"a\"",
        ] {
            assert_eq!(said(holds), Vec::<String>::new(), "{holds}");
        }
        assert_eq!(said("/status==\"down\""), ["JSON: not /status==\"down\" (\"up\")"]);
        assert_eq!(said("/queue/depth<5"), ["JSON: not /queue/depth<5 (17)"]);
        assert_eq!(said("/nope"), ["JSON: not /nope (nothing there)"]);
        assert_eq!(said("/status<5"), ["JSON: not /status<5 (\"up\")"]);
        assert!(
            complaints(b"<html>", &["/x".parse().unwrap()])[0].starts_with("JSON: expected value")
        );
        assert_eq!(
            complaints(&vec![b' '; MAX_JSON + 1], &["/x".parse().unwrap()]),
            ["JSON: the body is larger than 1 MiB"]
        );
    }

    #[test]
    fn numbers_become_perfdata() {
        let pointers = ["/queue/depth", "/queue/age", "/status", "/nope"].map(str::to_owned);
        let items: Vec<String> =
            perfdata(BODY, &pointers).iter().map(Perfdata::to_string).collect();
        assert_eq!(items, ["queue/depth=17;;;;", "queue/age=0.500000;;;;"]);
    }

    #[test]
    fn what_is_no_assertion_is_refused() {
        for typed in ["status==1", "/x=1", "/x==up", "/x=="] {
            assert!(typed.parse::<Assertion>().is_err(), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(typed in "[/a-c=!<>\" 0-9]{0,10}", body in any::<Vec<u8>>()) {
            if let Ok(assertion) = typed.parse::<Assertion>() {
                complaints(&body, &[assertion]);
            }
        }
    }
}
