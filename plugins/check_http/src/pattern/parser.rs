//! The grammar of patterns, translated to regex-syntax's own form.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

use super::bracket;
use super::posix::BadPattern;

/// POSIX's RE_DUP_MAX of the original's library: the largest count in `{n}`.
const MAX_COUNT: u32 = 0x7fff;
/// Groups nest no deeper: the parser follows them on the stack.
const MAX_DEPTH: u32 = 200;

/// What of a pattern is still to be read, and how it is meant.
pub(super) struct Parser<'p> {
    pub(super) rest: &'p [u8],
    ignore_case: bool,
    linespan: bool,
    depth: u32,
}

impl<'p> Parser<'p> {
    pub(super) fn new(pattern: &'p [u8], ignore_case: bool, linespan: bool) -> Parser<'p> {
        Parser { rest: pattern, ignore_case, linespan, depth: 0 }
    }

    /// `one|another`: all of the pattern, or of a group.
    pub(super) fn alternatives(&mut self) -> Result<Hir, BadPattern> {
        let mut branches = vec![self.branch()?];
        while self.take(b'|') {
            branches.push(self.branch()?);
        }
        Ok(Hir::alternation(branches))
    }

    fn branch(&mut self) -> Result<Hir, BadPattern> {
        let mut pieces = Vec::new();
        while let Some(&next) = self.rest.first() {
            if next == b'|' || (next == b')' && self.depth > 0) {
                break;
            }
            // The original's library refuses to repeat what matches a place and no text.
            let anchor = matches!(
                self.rest,
                [b'^' | b'$', ..] | [b'\\', b'b' | b'B' | b'<' | b'>' | b'`' | b'\'', ..]
            );
            let atom = self.atom()?;
            pieces.push(if anchor { self.unrepeated(atom)? } else { self.repeated(atom)? });
        }
        Ok(Hir::concat(pieces))
    }

    fn atom(&mut self) -> Result<Hir, BadPattern> {
        Ok(match self.next() {
            Some(b'(') => self.group()?,
            Some(b'[') => bracket::parse(self)?,
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
        if self.take(b')') { Ok(inside) } else { Err(BadPattern::OpenGroup) }
    }

    fn escape(&mut self) -> Result<Hir, BadPattern> {
        Ok(match self.next().ok_or(BadPattern::OpenEscape)? {
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

    /// As [`Parser::class`], but what is meant as "anything else" leaves out newlines unless -l was
    /// given.
    pub(super) fn class_of_a_line(&self, class: ClassBytes, negated: bool) -> Hir {
        let mut class = class;
        if negated && !self.linespan {
            class.push(ClassBytesRange::new(b'\n', b'\n'));
        }
        self.class(class, negated)
    }

    fn unrepeated(&self, atom: Hir) -> Result<Hir, BadPattern> {
        match self.rest.first() {
            Some(b'*' | b'+' | b'?' | b'{') => Err(BadPattern::NothingToRepeat),
            _ => Ok(atom),
        }
    }

    fn repeated(&mut self, atom: Hir) -> Result<Hir, BadPattern> {
        let mut atom = atom;
        loop {
            let (min, max) = match self.rest.first() {
                Some(b'*') => (0, None),
                Some(b'+') => (1, None),
                Some(b'?') => (0, Some(1)),
                Some(b'{') => {
                    self.next();
                    atom = repeat(atom, self.count()?);
                    continue;
                }
                _ => return Ok(atom),
            };
            self.next();
            atom = repeat(atom, (min, max));
        }
    }

    /// What follows `{`: `n}`, `n,}`, `,m}` or `n,m}`.
    fn count(&mut self) -> Result<(u32, Option<u32>), BadPattern> {
        let min = self.number()?;
        let bounds = if self.take(b',') {
            (min.unwrap_or(0), self.number()?)
        } else {
            (
                min.ok_or(if self.rest.is_empty() {
                    BadPattern::OpenCount
                } else {
                    BadPattern::BadCount
                })?,
                min,
            )
        };
        match self.next() {
            Some(b'}') if bounds.1.is_none_or(|max| max >= bounds.0) => Ok(bounds),
            Some(_) => Err(BadPattern::BadCount),
            None => Err(BadPattern::OpenCount),
        }
    }

    fn number(&mut self) -> Result<Option<u32>, BadPattern> {
        let mut number = None;
        while let Some(digit) = self.rest.first().filter(|byte| byte.is_ascii_digit()) {
            let value = number.unwrap_or(0) * 10 + u32::from(digit - b'0');
            if value > MAX_COUNT {
                return Err(BadPattern::TooBig);
            }
            number = Some(value);
            self.next();
        }
        Ok(number)
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.rest.first() == Some(&byte);
        if there {
            self.next();
        }
        there
    }
}

fn repeat(atom: Hir, (min, max): (u32, Option<u32>)) -> Hir {
    Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(atom) })
}

fn word() -> ClassBytes {
    ClassBytes::new(
        [(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')]
            .map(|(a, z)| ClassBytesRange::new(a, z)),
    )
}
