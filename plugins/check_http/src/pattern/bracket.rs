//! Bracket expressions: `[abc]`, `[^a-z]`, `[[:digit:]_]` (POSIX.1-2017 XBD 9.3.5, in the C
//! locale).

use regex_syntax::hir::{ClassBytes, ClassBytesRange, Hir};

use super::parser::Parser;
use super::posix::BadPattern;

/// Reads what follows `[`, up to and with its `]`.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Hir, BadPattern> {
    let negated = parser.take(b'^');
    let mut class = ClassBytes::empty();
    let mut first = true;
    loop {
        match parser.next().ok_or(BadPattern::OpenBracket)? {
            b']' if !first => break,
            b'-' if !first && parser.rest.first() != Some(&b']') => {
                return Err(BadPattern::BadRange);
            }
            b'[' if parser.take(b':') => {
                let name = until(parser, b':')?;
                let named =
                    std::str::from_utf8(name).ok().and_then(named).ok_or(BadPattern::BadClass)?;
                class.union(&named);
                if range_end(parser)?.is_some() {
                    return Err(BadPattern::BadRange);
                }
            }
            byte => {
                let start = element(parser, byte)?;
                let end = range_end(parser)?.unwrap_or(start);
                if end < start {
                    return Err(BadPattern::BadRange);
                }
                class.push(ClassBytesRange::new(start, end));
            }
        }
        first = false;
    }
    Ok(parser.class_of_a_line(class, negated))
}

/// A single byte, or `[=x=]` or `[.x.]`, which in the C locale are `x`.
fn element(parser: &mut Parser<'_>, byte: u8) -> Result<u8, BadPattern> {
    if byte != b'[' {
        return Ok(byte);
    }
    let mark = match parser.rest.first() {
        Some(mark @ (b'=' | b'.')) => *mark,
        _ => return Ok(byte),
    };
    parser.next();
    match until(parser, mark)? {
        [one] => Ok(*one),
        _ => Err(BadPattern::BadElement),
    }
}

/// What follows `-`, unless that is the last character before `]` and so means itself.
fn range_end(parser: &mut Parser<'_>) -> Result<Option<u8>, BadPattern> {
    match parser.rest {
        [b'-', b']', ..] | [] => Ok(None),
        [b'-', ..] => {
            parser.next();
            let end = parser.next().ok_or(BadPattern::OpenBracket)?;
            element(parser, end).map(Some)
        }
        _ => Ok(None),
    }
}

/// The bytes up to `mark]`, which are taken too.
fn until<'p>(parser: &mut Parser<'p>, mark: u8) -> Result<&'p [u8], BadPattern> {
    let end = parser
        .rest
        .windows(2)
        .position(|pair| pair == [mark, b']'])
        .ok_or(BadPattern::OpenBracket)?;
    let (name, rest) = parser.rest.split_at(end);
    parser.rest = rest.get(2..).unwrap_or_default();
    Ok(name)
}

/// A class of the C locale by its name.
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
    Some(ClassBytes::new(ranges.iter().map(|(start, end)| ClassBytesRange::new(*start, *end))))
}
