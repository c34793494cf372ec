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
pub struct Search<'p> {
    pattern: &'p Pattern,
    cache: Cache,
    progress: Progress,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    At(LazyStateID),
    Matched,
    /// No text that follows can make it match.
    Hopeless,
}

impl<'p> Search<'p> {
    /// Begins with an empty text.
    pub fn new(pattern: &'p Pattern) -> Search<'p> {
        let mut cache = pattern.dfa.create_cache();
        // Nothing here can fail: no byte makes this automaton quit, and its cache may be cleared as
        // often as it likes.
        let start = pattern.dfa.start_state_forward(&mut cache, &Input::new(b""));
        let progress = start.map_or(Progress::Hopeless, Progress::At);
        Search { pattern, cache, progress }
    }

    /// Takes the next piece of the text.
    pub fn feed(&mut self, piece: &[u8]) {
        let Progress::At(mut state) = self.progress else { return };
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
                    if next.is_match() { Progress::Matched } else { Progress::Hopeless };
                return;
            }
            state = next;
            at += 1;
        }
        self.progress = Progress::At(state);
    }

    /// Whether the pattern matched anywhere in the text, which ends here.
    pub fn end(mut self) -> bool {
        match self.progress {
            Progress::Matched => true,
            Progress::Hopeless => false,
            Progress::At(state) => self
                .pattern
                .dfa
                .next_eoi_state(&mut self.cache, state)
                .is_ok_and(|last| last.is_match()),
        }
    }
}

/// What a match begins with.
#[derive(Debug)]
pub(super) enum Begins {
    /// This text.
    Text(Finder<'static>),
    /// One of these bytes.
    Either(u8, u8),
    /// One of the bytes that are true.
    Bytes([bool; 256]),
}

impl Begins {
    /// Of a pattern that begins with one of a few texts and does not look at what stands around
    /// them.
    pub(super) fn of(hir: &Hir) -> Option<Box<Begins>> {
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
            [_] => Begins::Text(Finder::new(texts.longest_common_prefix()?).into_owned()),
            [one, other] => Begins::Either(*one, *other),
            several => Begins::Bytes(std::array::from_fn(|byte| {
                several.iter().any(|first| usize::from(*first) == byte)
            })),
        }))
    }

    /// How far into `text` a match may begin at the earliest; the text may go on.
    fn find(&self, text: &[u8]) -> usize {
        match self {
            // The last bytes may be where it begins.
            Begins::Text(finder) => finder
                .find(text)
                .unwrap_or_else(|| text.len().saturating_sub(finder.needle().len() - 1)),
            Begins::Either(one, other) => memchr2(*one, *other, text).unwrap_or(text.len()),
            Begins::Bytes(first) => text
                .iter()
                .position(|byte| first.get(usize::from(*byte)) == Some(&true))
                .unwrap_or(text.len()),
        }
    }
}
