//! Checks a JSON body and converts its numbers to performance data.

use plugin_kit::{Number, Perfdata};
use serde_json::Value;

use crate::spec::json_assertion::JsonAssertion;

/// Maximum size of a body to parse, in bytes. The parsed document takes up many times as much
/// memory.
const MAX_JSON: usize = 1 << 20;

/// Returns a message for each assertion that does not hold.
pub fn complaints(body: &[u8], assertions: &[JsonAssertion]) -> Vec<String> {
    if assertions.is_empty() {
        return Vec::new();
    }
    match parse(body) {
        Err(why) => vec![why],
        Ok(document) => {
            let failed = assertions.iter().filter(|assertion| !assertion.holds(&document));
            failed.map(|assertion| {
                let found =
                    document.pointer(&assertion.pointer).map_or("nothing".to_owned(), shown);
                format!("JSON: expected {}, found {found}", assertion.text)
            })
        }
        .collect(),
    }
}

/// Returns the numbers at `pointers` as performance data. Skips values that are not numbers.
pub fn perfdata(body: &[u8], pointers: &[String]) -> Vec<Perfdata> {
    let Some(document) =
        Some(pointers).filter(|pointers| !pointers.is_empty()).and_then(|_| parse(body).ok())
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

fn parse(body: &[u8]) -> Result<Value, String> {
    if body.len() > MAX_JSON {
        return Err(format!("JSON: the body is larger than {} MiB", MAX_JSON >> 20));
    }
    serde_json::from_slice(body).map_err(|why| format!("JSON: {why}"))
}

/// Formats a value for a message. Cuts the text after 40 characters.
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

    fn complain(assertion: &str) -> Vec<String> {
        complaints(BODY, &[assertion.parse().unwrap()])
    }

    #[test]
    fn reports_failed_assertions() {
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
            assert_eq!(complain(holds), Vec::<String>::new(), "{holds}");
        }
        assert_eq!(
            complain("/status==\"down\""),
            ["JSON: expected /status==\"down\", found \"up\""]
        );
        assert_eq!(complain("/queue/depth<5"), ["JSON: expected /queue/depth<5, found 17"]);
        assert_eq!(complain("/nope"), ["JSON: expected /nope, found nothing"]);
        assert_eq!(complain("/status<5"), ["JSON: expected /status<5, found \"up\""]);
        assert!(
            complaints(b"<html>", &["/x".parse().unwrap()])[0].starts_with("JSON: expected value")
        );
        assert_eq!(
            complaints(&vec![b' '; MAX_JSON + 1], &["/x".parse().unwrap()]),
            ["JSON: the body is larger than 1 MiB"]
        );
    }

    #[test]
    fn converts_numbers_to_perfdata() {
        let pointers = ["/queue/depth", "/queue/age", "/status", "/nope"].map(str::to_owned);
        let items: Vec<String> =
            perfdata(BODY, &pointers).iter().map(Perfdata::to_string).collect();
        assert_eq!(items, ["queue/depth=17;;;;", "queue/age=0.500000;;;;"]);
    }

    proptest! {
        #[test]
        fn checks_any_assertion_without_panic(
            text in "[/a-c=!<>\" 0-9]{0,10}",
            body in any::<Vec<u8>>(),
        ) {
            if let Ok(assertion) = text.parse::<JsonAssertion>() {
                complaints(&body, &[assertion]);
            }
        }
    }
}
