//! Parses a pattern into the syntax tree of regex-syntax.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

use super::bracket;
use super::cursor::Cursor;
use super::error::BadPattern;

/// Maximum count in `{n}`. This is RE_DUP_MAX in glibc, which monitoring-plugins uses.
const MAX_COUNT: u32 = 0x7fff;
/// Maximum depth of nested groups. The parser is recursive, so deeper nesting could overflow its
/// stack.
const MAX_DEPTH: u32 = 200;

/// The unparsed part of the pattern and the flags that apply to it.
pub(super) struct PatternParser<'p> {
    cursor: Cursor<'p>,
    ignore_case: bool,
    linespan: bool,
    depth: u32,
}

impl<'p> PatternParser<'p> {
    pub(super) fn new(pattern: &'p [u8], ignore_case: bool, linespan: bool) -> PatternParser<'p> {
        PatternParser { cursor: Cursor { rest: pattern }, ignore_case, linespan, depth: 0 }
    }

    /// Parses alternatives such as `one|another`, in a group or at the top level.
    pub(super) fn alternatives(&mut self) -> Result<Hir, BadPattern> {
        let mut branches = vec![self.branch()?];
        while self.cursor.take(b'|') {
            branches.push(self.branch()?);
        }
        Ok(Hir::alternation(branches))
    }

    fn branch(&mut self) -> Result<Hir, BadPattern> {
        let mut pieces = Vec::new();
        while let Some(next) = self.cursor.peek() {
            if next == b'|' || (next == b')' && self.depth > 0) {
                break;
            }
            // Like glibc, refuse to repeat an atom that matches a position instead of text.
            let anchor = matches!(
                self.cursor.rest,
                [b'^' | b'$', ..] | [b'\\', b'b' | b'B' | b'<' | b'>' | b'`' | b'\'', ..]
            );
            let atom = self.atom()?;
            if anchor && matches!(self.cursor.peek(), Some(b'*' | b'+' | b'?' | b'{')) {
                return Err(BadPattern::NothingToRepeat);
            }
            pieces.push(self.repeated(atom)?);
        }
        Ok(Hir::concat(pieces))
    }

    fn atom(&mut self) -> Result<Hir, BadPattern> {
        Ok(match self.cursor.next() {
            Some(b'(') => self.group()?,
            Some(b'[') => {
                let (class, negated) = bracket::parse(&mut self.cursor, self.ignore_case)?;
                self.class_of_a_line(class, negated)
            }
            Some(b'.') => self.class_of_a_line(ClassBytes::empty(), true),
            Some(b'^') => Hir::look(Look::StartLF),
            Some(b'$') => Hir::look(Look::EndLF),
            Some(b'\\') => self.escape()?,
            Some(b'*' | b'+' | b'?' | b'{') | None => return Err(BadPattern::NothingToRepeat),
            Some(byte) => self.literal(byte),
        })
    }

    fn group(&mut self) -> Result<Hir, BadPattern> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(BadPattern::TooBig);
        }
        let inside = self.alternatives()?;
        self.depth -= 1;
        if self.cursor.take(b')') { Ok(inside) } else { Err(BadPattern::OpenGroup) }
    }

    fn escape(&mut self) -> Result<Hir, BadPattern> {
        Ok(match self.cursor.next().ok_or(BadPattern::OpenEscape)? {
            b'w' => self.class(word(), false),
            b'W' => self.class(word(), true),
            b's' => self.class(bracket::named("space").ok_or(BadPattern::BadClass)?, false),
            b'S' => self.class(bracket::named("space").ok_or(BadPattern::BadClass)?, true),
            b'b' => Hir::look(Look::WordAscii),
            b'B' => Hir::look(Look::WordAsciiNegate),
            b'<' => Hir::look(Look::WordStartAscii),
            b'>' => Hir::look(Look::WordEndAscii),
            b'`' => Hir::look(Look::Start),
            b'\'' => Hir::look(Look::End),
            b'1'..=b'9' => return Err(BadPattern::BackReference),
            byte => self.literal(byte),
        })
    }

    fn literal(&self, byte: u8) -> Hir {
        self.class(ClassBytes::new([ClassBytesRange::new(byte, byte)]), false)
    }

    fn class(&self, mut class: ClassBytes, negated: bool) -> Hir {
        if self.ignore_case {
            class.case_fold_simple();
        }
        if negated {
            class.negate();
        }
        Hir::class(Class::Bytes(class))
    }

    /// Works like [`PatternParser::class`], except that without `linespan` a negated class does not
    /// match newlines.
    fn class_of_a_line(&self, class: ClassBytes, negated: bool) -> Hir {
        let mut class = class;
        if negated && !self.linespan {
            class.push(ClassBytesRange::new(b'\n', b'\n'));
        }
        self.class(class, negated)
    }

    fn repeated(&mut self, mut atom: Hir) -> Result<Hir, BadPattern> {
        loop {
            let bounds = match self.cursor.peek() {
                Some(b'*') => Some((0, None)),
                Some(b'+') => Some((1, None)),
                Some(b'?') => Some((0, Some(1))),
                Some(b'{') => None,
                _ => return Ok(atom),
            };
            self.cursor.next();
            let (min, max) = bounds.map_or_else(|| self.count(), Ok)?;
            atom = Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(atom) });
        }
    }

    /// Parses the rest of a count after `{`, which is `n}`, `n,}`, `,m}` or `n,m}`.
    fn count(&mut self) -> Result<(u32, Option<u32>), BadPattern> {
        let min = self.number()?;
        let bounds = if self.cursor.take(b',') {
            (min.unwrap_or(0), self.number()?)
        } else {
            (
                min.ok_or(if self.cursor.rest.is_empty() {
                    BadPattern::OpenCount
                } else {
                    BadPattern::BadCount
                })?,
                min,
            )
        };
        match self.cursor.next() {
            Some(b'}') if bounds.1.is_none_or(|max| max >= bounds.0) => Ok(bounds),
            Some(_) => Err(BadPattern::BadCount),
            None => Err(BadPattern::OpenCount),
        }
    }

    fn number(&mut self) -> Result<Option<u32>, BadPattern> {
        let mut number = None;
        while let Some(digit) = self.cursor.peek().filter(u8::is_ascii_digit) {
            let value = number.unwrap_or(0) * 10 + u32::from(digit - b'0');
            if value > MAX_COUNT {
                return Err(BadPattern::TooBig);
            }
            number = Some(value);
            self.cursor.next();
        }
        Ok(number)
    }
}

fn word() -> ClassBytes {
    bracket::class(&[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')])
}
