//! Encodes the names of hosts and services as UTF-8.
//!
//! To Nagios, a name is a sequence of bytes, for example in ISO-8859-1. JSON and terminals need
//! UTF-8. These programs therefore use a spelling of each name. In the spelling, each byte that is
//! not part of valid UTF-8 becomes an escape with two hex digits, for example `\xF6`. A backslash
//! that looks like the start of such an escape becomes `\x5C`, so two different names never have
//! the same spelling.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Returns the spelling of a name, which is always valid UTF-8.
pub fn spell(name: &[u8]) -> String {
    let mut spelled = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((before, after)) = rest.split_once('\\') {
            spelled.push_str(before);
            spelled.push_str(if byte(after).is_some() { r"\x5C" } else { r"\" });
            rest = after;
        }
        spelled.push_str(rest);
        for byte in chunk.invalid() {
            spelled.push_str(&format!(r"\x{byte:02X}"));
        }
    }
    spelled
}

/// Decodes a spelling and returns the name. Accepts any string, even one with lower-case hex digits
/// or with escapes for bytes that need none.
pub fn unspell(spelled: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some((before, after)) = rest.split_once('\\') {
        name.extend_from_slice(before.as_bytes());
        let (byte, left) = byte(after).unwrap_or((b'\\', after));
        name.push(byte);
        rest = left;
    }
    name.extend_from_slice(rest.as_bytes());
    name
}

/// Returns the normal form of a spelling that a person wrote, for example `\xF6` for `\xf6`.
pub fn respell(spelled: &str) -> String {
    spell(&unspell(spelled))
}

/// Parses the part of an escape after the backslash. Returns the byte and the rest of the string.
fn byte(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.strip_prefix('x')?.split_at_checked(2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_invalid_bytes_and_ambiguous_backslashes() {
        for (name, spelled) in [
            (b"HTTP".as_slice(), "HTTP"),
            ("Größe".as_bytes(), "Größe"),
            (b"Gr\xf6\xdfe C:", r"Gr\xF6\xDFe C:"),
            (b"C:\\", r"C:\"),
            (b"C:\\xampp", r"C:\xampp"),
            (b"C:\\xfade", r"C:\x5Cxfade"),
            (b"\\\\x41", r"\\x5Cx41"),
            (b"\\x4\xf6", r"\x4\xF6"),
            (b"\\\xf6", r"\\xF6"),
            (b"\xc3\xb6\xc3", r"ö\xC3"),
        ] {
            assert_eq!(spell(name), spelled);
            assert_eq!(unspell(spelled), name);
        }
    }

    #[test]
    fn normalizes_handwritten_spellings() {
        assert_eq!(unspell(r"gr\xfcn"), b"gr\xfcn");
        assert_eq!(respell(r"gr\xfcn"), r"gr\xFCn");
        assert_eq!(respell(r"\xC3\xB6\x41"), "öA");
        assert_eq!(unspell(r"\x+1\x1"), br"\x+1\x1");
    }

    proptest! {
        #[test]
        fn unspell_reverses_spell(
            name in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\\'), Just(b'x'),
                Just(b'5'), Just(b'C'), Just(0xc3), Just(0xb6)], 0..24),
        ) {
            let spelled = spell(&name);
            prop_assert_eq!(unspell(&spelled), name);
            prop_assert_eq!(respell(&spelled), spelled);
        }

        #[test]
        fn keeps_text_without_backslashes(text in "[^\\\\]*") {
            prop_assert_eq!(spell(text.as_bytes()), text.to_string());
            prop_assert_eq!(unspell(&text), text.into_bytes());
        }
    }
}
