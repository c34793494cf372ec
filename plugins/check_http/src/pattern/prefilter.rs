//! Filters that skip text in which no match can start.

use memchr::memchr2;
use memchr::memmem::Finder;
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::Extractor;

/// A condition on the first bytes of every match.
#[derive(Debug)]
pub(super) enum Prefilter {
    /// Every match starts with this text.
    Text(Finder<'static>),
    /// Every match starts with one of these two bytes.
    Either(u8, u8),
    /// Every match starts with a byte whose entry is true.
    Bytes([bool; 256]),
}

impl Prefilter {
    /// Returns the prefilter for a pattern. Returns `None` if matches can start with too many
    /// different strings, or if the pattern contains look-around such as `^` or `\b`.
    pub(super) fn of(hir: &Hir) -> Option<Box<Prefilter>> {
        if !hir.properties().look_set().is_empty() {
            return None;
        }
        let texts = Extractor::new().extract(hir);
        let first: Option<Vec<u8>> =
            texts.literals()?.iter().map(|text| text.as_bytes().first().copied()).collect();
        let mut first = first?;
        first.sort_unstable();
        first.dedup();
        Some(Box::new(match first.as_slice() {
            [] => return None,
            [_] => Prefilter::Text(Finder::new(texts.longest_common_prefix()?).into_owned()),
            [one, other] => Prefilter::Either(*one, *other),
            several => Prefilter::Bytes(std::array::from_fn(|byte| {
                several.iter().any(|first| usize::from(*first) == byte)
            })),
        }))
    }

    /// Returns the first position in `text` where a match can start, given that more text may
    /// follow.
    pub(super) fn find(&self, text: &[u8]) -> usize {
        match self {
            // Even if the prefix is not found, a match can start in the last bytes of `text` and
            // continue in the text that follows.
            Prefilter::Text(finder) => finder
                .find(text)
                .unwrap_or_else(|| text.len().saturating_sub(finder.needle().len() - 1)),
            Prefilter::Either(one, other) => memchr2(*one, *other, text).unwrap_or(text.len()),
            Prefilter::Bytes(first) => text
                .iter()
                .position(|byte| first.get(usize::from(*byte)) == Some(&true))
                .unwrap_or(text.len()),
        }
    }
}
