//! Matching: a text is fed piece by piece, so that no more of it is in memory than has just come.

use memchr::memchr2;
use memchr::memmem::Finder;
use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::Cache;
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::Extractor;

use super::posix::Pattern;

/// A text on its way through a pattern.
#[derive(Debug)]
pub struct PatternMatcher<'p> {
    pattern: &'p Pattern,
    cache: Cache,
    progress: MatchProgress,
}

#[derive(Debug, Clone, Copy)]
enum MatchProgress {
    At(LazyStateID),
    Matched,
    /// No text that follows can make it match.
    Hopeless,
}

impl<'p> PatternMatcher<'p> {
    /// Begins with an empty text.
    pub fn new(pattern: &'p Pattern) -> PatternMatcher<'p> {
        let mut cache = pattern.dfa.create_cache();
        // Nothing here can fail: no byte makes this automaton quit, and its cache may be cleared as
        // often as it likes.
        let start = pattern.dfa.start_state_forward(&mut cache, &Input::new(b""));
        let progress = start.map_or(MatchProgress::Hopeless, MatchProgress::At);
        PatternMatcher { pattern, cache, progress }
    }

    /// Takes the next piece of the text.
    pub fn feed(&mut self, piece: &[u8]) {
        let MatchProgress::At(mut state) = self.progress else { return };
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            if let Some(begins) = self.pattern.begins.as_deref().filter(|_| state.is_start()) {
                match begins.find(piece.get(at..).unwrap_or_default()) {
                    0 => {}
                    passed_over => {
                        at += passed_over;
                        continue;
                    }
                }
            }
            let Ok(next) = self.pattern.dfa.next_state(&mut self.cache, state, byte) else {
                return;
            };
            if next.is_match() || next.is_dead() {
                self.progress =
                    if next.is_match() { MatchProgress::Matched } else { MatchProgress::Hopeless };
                return;
            }
            state = next;
            at += 1;
        }
        self.progress = MatchProgress::At(state);
    }

    /// Whether the pattern matched anywhere in the text, which ends here.
    pub fn end(mut self) -> bool {
        match self.progress {
            MatchProgress::Matched => true,
            MatchProgress::Hopeless => false,
            MatchProgress::At(state) => self
                .pattern
                .dfa
                .next_eoi_state(&mut self.cache, state)
                .is_ok_and(|last| last.is_match()),
        }
    }
}

/// What a match begins with.
#[derive(Debug)]
pub(super) enum Prefilter {
    /// This text.
    Text(Finder<'static>),
    /// One of these bytes.
    Either(u8, u8),
    /// One of the bytes that are true.
    Bytes([bool; 256]),
}

impl Prefilter {
    /// Of a pattern that begins with one of a few texts and does not look at what stands around
    /// them.
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

    /// How far into `text` a match may begin at the earliest; the text may go on.
    fn find(&self, text: &[u8]) -> usize {
        match self {
            // The last bytes may be where it begins.
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
