//! Parses bracket expressions such as `[abc]`, `[^a-z]` and `[[:digit:]_]` (POSIX.1-2017 XBD 9.3.5,
//! in the C locale).

use regex_syntax::hir::{ClassBytes, ClassBytesRange};

use super::cursor::Cursor;
use super::error::BadPattern;

/// Parses the expression between `[` and `]`. Returns the listed bytes, and whether the expression
/// starts with `^` and therefore matches all other bytes.
///
/// With `ignore_case`, glibc converts the ends of a range to upper case. So `[a-_]` is a range from
/// `A` to `_`, and `[_-a]` is invalid.
pub(super) fn parse(
    cursor: &mut Cursor<'_>,
    ignore_case: bool,
) -> Result<(ClassBytes, bool), BadPattern> {
    let folded = |byte: u8| if ignore_case { byte.to_ascii_uppercase() } else { byte };
    let negated = cursor.take(b'^');
    let mut class = ClassBytes::empty();
    let mut first = true;
    loop {
        match cursor.next().ok_or(BadPattern::OpenBracket)? {
            b']' if !first => return Ok((class, negated)),
            b'-' if !first && cursor.peek() != Some(b']') => return Err(BadPattern::BadRange),
            b'[' if cursor.take(b':') => {
                let name = until(cursor, b':')?;
                let named =
                    std::str::from_utf8(name).ok().and_then(named).ok_or(BadPattern::BadClass)?;
                class.union(&named);
                if range_end(cursor)?.is_some() {
                    return Err(BadPattern::BadRange);
                }
            }
            byte => {
                let start = folded(element(cursor, byte)?);
                let end = range_end(cursor)?.map_or(start, folded);
                if end < start {
                    return Err(BadPattern::BadRange);
                }
                class.push(ClassBytesRange::new(start, end));
            }
        }
        first = false;
    }
}

/// Parses an element that starts with `byte`: a single byte, or `[=x=]` or `[.x.]`, which both mean
/// `x` in the C locale.
fn element(cursor: &mut Cursor<'_>, byte: u8) -> Result<u8, BadPattern> {
    let Some(mark @ (b'=' | b'.')) = cursor.peek().filter(|_| byte == b'[') else {
        return Ok(byte);
    };
    cursor.next();
    match until(cursor, mark)? {
        [one] => Ok(*one),
        _ => Err(BadPattern::BadElement),
    }
}

/// Parses `-` and the end of a range. Returns `None` if no range follows. A `-` before `]` is an
/// ordinary character.
fn range_end(cursor: &mut Cursor<'_>) -> Result<Option<u8>, BadPattern> {
    match cursor.rest {
        [b'-', b']', ..] => Ok(None),
        [b'-', ..] => {
            cursor.next();
            let end = cursor.next().ok_or(BadPattern::OpenBracket)?;
            element(cursor, end).map(Some)
        }
        _ => Ok(None),
    }
}

/// Consumes everything up to and including `mark]`, and returns the bytes before `mark]`.
fn until<'p>(cursor: &mut Cursor<'p>, mark: u8) -> Result<&'p [u8], BadPattern> {
    let end = cursor
        .rest
        .windows(2)
        .position(|pair| pair == [mark, b']'])
        .ok_or(BadPattern::OpenBracket)?;
    let (name, rest) = cursor.rest.split_at(end);
    cursor.rest = rest.get(2..).unwrap_or_default();
    Ok(name)
}

/// Returns the character class `name` of the C locale.
pub(super) fn named(name: &str) -> Option<ClassBytes> {
    let ranges: &[(u8, u8)] = match name {
        "alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        "digit" => &[(b'0', b'9')],
        "alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        "upper" => &[(b'A', b'Z')],
        "lower" => &[(b'a', b'z')],
        "space" => &[(b'\t', b'\r'), (b' ', b' ')],
        "blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        "punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        "print" => &[(b' ', b'~')],
        "graph" => &[(b'!', b'~')],
        "cntrl" => &[(0, 31), (127, 127)],
        "xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    };
    Some(class(ranges))
}

/// Returns the class of all bytes in `ranges`.
pub(super) fn class(ranges: &[(u8, u8)]) -> ClassBytes {
    ClassBytes::new(ranges.iter().map(|(start, end)| ClassBytesRange::new(*start, *end)))
}
