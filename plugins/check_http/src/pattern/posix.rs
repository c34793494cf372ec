//! Compiles POSIX patterns to automata.

use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson;

use super::anchors;
use super::error::BadPattern;
use super::parser::PatternParser;
use super::prefilter::Prefilter;

/// A pattern that is ready to be matched.
#[derive(Debug)]
pub struct Pattern {
    pub(super) dfa: DFA,
    /// Filter that skips text in which no match can start, or `None` if the pattern allows no
    /// filter.
    pub(super) prefilter: Option<Box<Prefilter>>,
}

/// Maximum size of a compiled pattern, in bytes. Without a limit, `(a{999}){999}` would use all
/// memory.
const MAX_SIZE: usize = 8 << 20;

impl Pattern {
    /// Compiles `pattern`. Without `linespan`, `.` and `[^x]` do not match a newline, and `^` and
    /// `$` match at the start and end of every line, as with POSIX's REG_NEWLINE. For their meaning
    /// with `linespan`, see the module `anchors`.
    pub fn new(pattern: &[u8], ignore_case: bool, linespan: bool) -> Result<Pattern, BadPattern> {
        let lines = PatternParser::new(pattern, ignore_case, linespan).alternatives()?;
        let hir = if linespan { anchors::spanning(lines) } else { lines };
        let config = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(MAX_SIZE))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(config)
            .build_from_hir(&hir)
            .map_err(|_| BadPattern::TooBig)?;
        let prefilter = Prefilter::of(&hir);
        let config = DFA::config()
            .skip_cache_capacity_check(true)
            .unicode_word_boundary(false)
            .specialize_start_states(prefilter.is_some());
        let dfa =
            DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| BadPattern::TooBig)?;
        Ok(Pattern { dfa, prefilter })
    }
}
