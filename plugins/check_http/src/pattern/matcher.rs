//! Matches a pattern against text that arrives in pieces. Only the latest piece has to be in
//! memory.

use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::Cache;

use super::posix::Pattern;

/// The state of an ongoing search for a pattern.
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
    /// The pattern can no longer match, regardless of the rest of the text.
    Impossible,
}

impl<'p> PatternMatcher<'p> {
    /// Starts a search for `pattern`.
    pub fn new(pattern: &'p Pattern) -> PatternMatcher<'p> {
        let mut cache = pattern.dfa.create_cache();
        // This lookup cannot fail. The start state always exists, no byte makes this automaton
        // quit, and its cache may be cleared any number of times.
        let start = pattern.dfa.start_state_forward(&mut cache, &Input::new(b""));
        let progress = start.map_or(MatchProgress::Impossible, MatchProgress::At);
        PatternMatcher { pattern, cache, progress }
    }

    /// Searches the next piece of the text.
    pub fn feed(&mut self, piece: &[u8]) {
        let MatchProgress::At(mut state) = self.progress else { return };
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            let prefilter = self.pattern.prefilter.as_deref();
            if let Some(prefilter) = prefilter.filter(|_| state.is_start()) {
                match prefilter.find(piece.get(at..).unwrap_or_default()) {
                    0 => {}
                    skipped => {
                        at += skipped;
                        continue;
                    }
                }
            }
            let Ok(next) = self.pattern.dfa.next_state(&mut self.cache, state, byte) else {
                return;
            };
            if next.is_match() || next.is_dead() {
                self.progress = if next.is_match() {
                    MatchProgress::Matched
                } else {
                    MatchProgress::Impossible
                };
                return;
            }
            state = next;
            at += 1;
        }
        self.progress = MatchProgress::At(state);
    }

    /// Ends the search at the end of the text. Returns whether the pattern matched anywhere in it.
    pub fn end(mut self) -> bool {
        match self.progress {
            MatchProgress::Matched => true,
            MatchProgress::Impossible => false,
            MatchProgress::At(state) => self
                .pattern
                .dfa
                .next_eoi_state(&mut self.cache, state)
                .is_ok_and(|last| last.is_match()),
        }
    }
}

impl Pattern {
    /// Whether the pattern matches anywhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let mut matcher = PatternMatcher::new(self);
        matcher.feed(text);
        matcher.end()
    }
}
