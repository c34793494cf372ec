//! Internationalized host names: converts `bücher.example` to `xn--bcher-kva.example` (RFC 5891 and
//! RFC 3492).
//!
//! The crate `idna` is not used. Its tables add 160 KB to a program and two page faults to every
//! run (measured with a program that only converts a name). The names that administrators type do
//! not need these tables. Letters are converted to lower case with std's tables. Names in
//! decomposed form are rejected, because they would need normalization.

use std::borrow::Cow;

/// Maximum length of a label in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;
/// Characters that separate labels: the dot and its forms in East Asian scripts (RFC 3490, section
/// 3.1).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{FF0E}', '\u{FF61}'];

/// Returns a name in the form that DNS, TLS and HTTP use. An ASCII name is returned unchanged.
/// Returns `None` if the name cannot be converted.
pub fn to_ascii(name: &str) -> Option<Cow<'_, str>> {
    if name.is_ascii() {
        return Some(name.into());
    }
    let labels: Option<Vec<String>> = name.split(DOTS).map(label).collect();
    Some(labels?.join(".").into())
}

/// Like [`to_ascii`], but returns the name unchanged if it cannot be converted.
pub fn sendable(name: &str) -> Cow<'_, str> {
    to_ascii(name).unwrap_or(name.into())
}

/// Whether two names belong to the same host.
pub fn is_same_host(one: &str, other: &str) -> bool {
    sendable(one).eq_ignore_ascii_case(&sendable(other))
}

fn label(typed: &str) -> Option<String> {
    if typed.is_ascii() {
        return Some(typed.to_owned());
    }
    let lower: Vec<char> = typed.chars().flat_map(char::to_lowercase).collect();
    // U+0300 to U+036F are combining accents, which occur only in decomposed form.
    let is_invalid =
        |c: &char| c.is_control() || c.is_whitespace() || ('\u{300}'..='\u{36F}').contains(c);
    if lower.len() > MAX_LABEL || lower.iter().any(is_invalid) {
        return None;
    }
    Some(format!("xn--{}", punycode(&lower)?)).filter(|label| label.len() <= MAX_LABEL)
}

/// Encodes a label with Punycode (RFC 3492, section 6.3).
fn punycode(label: &[char]) -> Option<String> {
    const FIRST: u32 = 128;
    let mut out: String = label.iter().filter(|c| c.is_ascii()).collect();
    let basic = u32::try_from(out.len()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let (mut next, mut delta, mut bias, mut done) = (FIRST, 0_u32, 72, basic);
    while (done as usize) < label.len() {
        let smallest = label.iter().map(|c| u32::from(*c)).filter(|code| *code >= next).min()?;
        delta = delta.checked_add((smallest - next).checked_mul(done + 1)?)?;
        next = smallest;
        for code in label.iter().map(|c| u32::from(*c)) {
            if code < next {
                delta = delta.checked_add(1)?;
            } else if code == next {
                encode_number(&mut out, delta, bias)?;
                bias = adapt(delta, done + 1, done == basic);
                (delta, done) = (0, done + 1);
            }
        }
        (next, delta) = (next + 1, delta.checked_add(1)?);
    }
    Some(out)
}

/// Appends a number as a variable-length integer (RFC 3492, section 3.3).
fn encode_number(out: &mut String, mut number: u32, bias: u32) -> Option<()> {
    let digit = |value: u32| char::from_digit(value + 10, 36).filter(|_| value < 26);
    // The digits 0 to 25 are written as letters, and 26 to 35 as `0` to `9`.
    let written =
        |value: u32| digit(value).or_else(|| char::from_digit(value.checked_sub(26)?, 10));
    for position in 1.. {
        let threshold = (position * 36_u32).saturating_sub(bias).clamp(1, 26);
        if number < threshold {
            break;
        }
        let range = 36 - threshold;
        out.push(written(threshold + (number - threshold) % range)?);
        number = (number - threshold) / range;
    }
    out.push(written(number)?);
    Some(())
}

/// Returns the bias for the next number. `delta` is the number that was just encoded, and `count`
/// is how many characters have been encoded so far (RFC 3492, section 6.1).
fn adapt(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = delta / if is_first { 700 } else { 2 };
    delta += delta / count;
    let mut bias = 0;
    while delta > 455 {
        delta /= 35;
        bias += 36;
    }
    bias + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn converts_names_as_browsers_do() {
        for (name, expected) in [
            ("www.Example.org", Some("www.Example.org")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("BÜCHER.example", Some("xn--bcher-kva.example")),
            ("münchen.de", Some("xn--mnchen-3ya.de")),
            ("faß.de", Some("xn--fa-hia.de")),
            ("日本語。jp", Some("xn--wgv71a119e.jp")),
            ("пример.испытание", Some("xn--e1afmkfd.xn--80akhbyknj4f")),
            ("ليهمابتكلموشعربي؟", Some("xn--egbpdaj6bu4bxfgehfvwxn")),
            ("a.例え.テスト", Some("a.xn--r8jz45g.xn--zckzah")),
            ("bu\u{308}cher.example", None),
            ("a ü", None),
            (&"ü".repeat(64), None),
        ] {
            assert_eq!(to_ascii(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn compares_names_in_both_forms() {
        assert!(is_same_host("BÜCHER.example", "XN--bcher-kva.EXAMPLE"));
        assert!(!is_same_host("bücher.example", "bucher.example"));
    }

    proptest! {
        #[test]
        fn converts_any_name_without_panic(name in "\\PC{0,80}") {
            prop_assert!(to_ascii(&name).is_none_or(|ascii| ascii.is_ascii()));
        }
    }
}
