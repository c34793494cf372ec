//! Parses performance data that another program or a server has printed.

use crate::perfdata::{Number, Perfdata};
use crate::range::Range;

/// Units that graphing programs understand: those of the plugin guidelines, and the common
/// fractions and multiples of seconds and bytes.
const UNITS: [&str; 16] =
    ["", "s", "ms", "us", "ns", "%", "B", "KB", "MB", "GB", "TB", "PB", "KiB", "MiB", "GiB", "c"];

/// Returns the items of performance data in `text`, and how many other words the text contains.
/// Spaces, newlines and `|` separate the items.
pub fn parse(text: &str) -> (Vec<Perfdata>, usize) {
    let mut items = Vec::new();
    let mut rejected = 0;
    for word in words(text) {
        match item(word) {
            Some(item) => items.push(item),
            None => rejected += 1,
        }
    }
    (items, rejected)
}

/// Splits `text` at the separators outside quoted labels.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '\'';
        !quoted && (c.is_whitespace() || c.is_control() || c == '|')
    })
    .filter(|word| !word.is_empty())
}

/// Parses `'label'=value[UOM];[warn];[crit];[min];[max]`.
fn item(word: &str) -> Option<Perfdata> {
    let (label, fields) = match word.strip_prefix('\'') {
        // In a quoted label, a quote is written as two quotes.
        Some(rest) => {
            let (label, fields) = rest.rsplit_once("'=")?;
            (label.replace("''", "'"), fields)
        }
        None => {
            let (label, fields) = word.split_once('=')?;
            (label.to_owned(), fields)
        }
    };
    if label.trim().is_empty() || label.contains(['=', '|']) || label.contains(char::is_control) {
        return None;
    }
    let mut fields = fields.split(';');
    let (value, unit) = value(fields.next()?)?;
    let mut item = Perfdata::new(label, value, unit);
    (item.warn, item.crit) = (field(fields.next(), range)?, field(fields.next(), range)?);
    (item.min, item.max) = (field(fields.next(), number)?, field(fields.next(), number)?);
    fields.next().is_none().then_some(item)
}

/// Parses a field. Returns `Some(None)` if the field is missing or empty, and `None` if it is
/// invalid.
fn field(text: Option<&str>, parse: impl FnOnce(&str) -> Option<Number>) -> Option<Option<Number>> {
    match text.filter(|text| !text.is_empty()) {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}

fn value(text: &str) -> Option<(Number, &'static str)> {
    if text == "U" {
        return Some((Number::Exact(f64::NAN), ""));
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let unit = *UNITS.iter().find(|known| unit.eq_ignore_ascii_case(known))?;
    Some((number(digits)?, unit))
}

fn number(text: &str) -> Option<Number> {
    let decimal = || text.parse().ok().filter(|n: &f64| n.is_finite()).map(Number::Exact);
    if !text.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Number::Integer).or_else(decimal)
}

fn range(text: &str) -> Option<Number> {
    text.parse::<Range>().ok().map(Number::Range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (String, usize) {
        let (items, rejected) = parse(text);
        (items.iter().map(Perfdata::to_string).collect::<Vec<_>>().join(" "), rejected)
    }

    #[test]
    fn keeps_valid_items_only() {
        for (text, expected, rejected) in [
            ("a=1", "a=1;;;;", 0),
            ("a=1.5ms;2;@3:4;0;10 b=-7c\nc=U", "a=1.5ms;2;@3:4;0;10 b=-7c;;;; c=U;;;;", 0),
            ("'a b'=2% 'it''s'=3", "'a b'=2%;;;; 'it''s'=3;;;;", 0),
            ("all is well|a=1|b=0.0000001KB", "a=1;;;; b=0.0000001KB;;;;", 3),
            ("a=1;2;3;4;5;6 a=x a=1,5 =1 a= a a=1parsec a=1;x", "", 8),
            ("", "", 0),
        ] {
            assert_eq!(parsed(text), (expected.to_owned(), rejected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printed_items_are_valid(text in "[ -~|\n]{0,40}|('?[a' ]{1,3}'?=[0-9.]{1,3}[sB;]{0,3} ?){0,4}") {
            let (printed, _) = parsed(&text);
            prop_assert!(!printed.contains(['|', '\n']));
            let (again, rejected) = parsed(&printed);
            prop_assert_eq!((again, rejected), (printed, 0));
        }
    }
}
