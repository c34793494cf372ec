//! POSIX extended regular expressions as users of check_http wrote them, on bytes and in linear
//! time.
//!
//! The grammar is POSIX.1-2017 XBD 9.4 with the GNU escapes (`\b`, `\w`, …), in the C locale; it is
//! translated to regex-syntax's own form and run by regex-automata. Back-references cannot be
//! matched in linear time and are refused.

use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson;

use super::anchors;
use super::matcher::{self, Search};
use super::parser::Parser;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    pub(super) dfa: DFA,
    /// What a match can begin with, if that is known: everything else can be passed over.
    pub(super) begins: Option<Box<matcher::Begins>>,
}

/// Why a pattern is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum BadPattern {
    #[error("( without )")]
    OpenGroup,
    #[error("[ without ]")]
    OpenBracket,
    #[error("{{ without }}")]
    OpenCount,
    #[error("no count between {{ and }}")]
    BadCount,
    #[error("nothing to repeat before *, +, ? or {{")]
    NothingToRepeat,
    #[error("no such [:class:]")]
    BadClass,
    #[error("no such [.element.]")]
    BadElement,
    #[error("a range ends before it starts")]
    BadRange,
    #[error("backslash at the end")]
    OpenEscape,
    #[error("back-references such as \\1 are not supported")]
    BackReference,
    #[error("too big")]
    TooBig,
}

/// A compiled pattern is no larger, so that `(a{999}){999}` is an error instead of all memory.
const MAX_SIZE: usize = 8 << 20;

impl Pattern {
    /// Compiles `pattern`. Without `linespan`, `.` and `[^x]` do not match a newline, and `^` and
    /// `$` match at every line (POSIX's REG_NEWLINE); with it, see `anchors`.
    pub fn new(pattern: &[u8], ignore_case: bool, linespan: bool) -> Result<Pattern, BadPattern> {
        let lines = Parser::new(pattern, ignore_case, linespan).alternatives()?;
        let hir = if linespan { anchors::spanning(lines) } else { lines };
        let config = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(MAX_SIZE))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(config)
            .build_from_hir(&hir)
            .map_err(|_| BadPattern::TooBig)?;
        let begins = matcher::Begins::of(&hir);
        let config = DFA::config()
            .skip_cache_capacity_check(true)
            .unicode_word_boundary(false)
            .specialize_start_states(begins.is_some());
        let dfa =
            DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| BadPattern::TooBig)?;
        Ok(Pattern { dfa, begins })
    }

    /// Whether the pattern matches anywhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let mut search = Search::new(self);
        search.feed(text);
        search.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern.as_bytes(), false, false).unwrap().is_match(text.as_bytes())
    }

    #[test]
    fn posix_and_gnu_syntax() {
        for (pattern, yes, no) in [
            ("a|b", "xb", "c"),
            ("^b$", "a\nb\nc", "ab"),
            ("a.c", "abc", "a\nc"),
            ("a[^b]c", "axc", "a\nc"),
            ("[]x]", "]", "a"),
            ("[^]x]", "a", "]]"),
            ("[a-]", "-", "b"),
            ("[[:digit:]]{2,3}", "x12", "1x2"),
            ("[[:space:]]", "\t", "x"),
            ("[[=a=]][[.-.]]", "a-", "ab"),
            ("(ab)+c", "ababc", "abab"),
            ("\\bfoo\\b", "a foo b", "food"),
            ("\\<foo", "a food", "afoo"),
            ("\\d", "d", "1"),
            ("a\\.b", "a.b", "axb"),
            ("a)", "a)", "a"),
            ("()", "", "\u{0}never"),
            ("a{,2}b", "aab", "aa"),
            ("x**", "", "never\u{0}"),
        ] {
            assert!(matches(pattern, yes), "{pattern} must match {yes:?}");
            assert!(!matches(pattern, no) || no.contains('\0'), "{pattern} must not match {no:?}");
        }
    }

    #[test]
    fn bytes_are_matched_as_bytes() {
        let latin = Pattern::new(b"caf\xe9", false, false).unwrap();
        assert!(latin.is_match(b"un caf\xe9 \xff"));
        assert!(!latin.is_match("un café".as_bytes()));
    }

    #[test]
    fn case_and_lines_are_as_asked() {
        let pattern = |text: &str, i, l| Pattern::new(text.as_bytes(), i, l).unwrap();
        assert!(pattern("[a-c]X", true, false).is_match(b"Bx"));
        assert!(!pattern("[^a]", true, false).is_match(b"A"));
        assert!(pattern("a.b", false, true).is_match(b"a\nb"));
        assert!(!pattern("^b", false, true).is_match(b"a\nb"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (pattern, problem) in [
            ("(", BadPattern::OpenGroup),
            ("*a", BadPattern::NothingToRepeat),
            ("a|*b", BadPattern::NothingToRepeat),
            ("{1}", BadPattern::NothingToRepeat),
            ("^*", BadPattern::NothingToRepeat),
            ("a$*", BadPattern::NothingToRepeat),
            ("\\b?a", BadPattern::NothingToRepeat),
            ("[[:alpha:]-z]", BadPattern::BadRange),
            ("a{2", BadPattern::OpenCount),
            ("a{x}", BadPattern::BadCount),
            ("a{3,2}", BadPattern::BadCount),
            ("a{99999}", BadPattern::TooBig),
            ("((a{999}){999}){999}", BadPattern::TooBig),
            ("[a", BadPattern::OpenBracket),
            ("[[:foo:]]", BadPattern::BadClass),
            ("[b-a]", BadPattern::BadRange),
            ("[a-c-e]", BadPattern::BadRange),
            ("a\\", BadPattern::OpenEscape),
            ("(a)\\1", BadPattern::BackReference),
        ] {
            assert_eq!(
                Pattern::new(pattern.as_bytes(), false, false).err(),
                Some(problem),
                "{pattern}"
            );
        }
        assert!(Pattern::new("(".repeat(100_000).as_bytes(), false, false).is_err());
    }

    #[test]
    fn a_catastrophic_pattern_is_linear() {
        assert!(!matches("(a*)*(a|aa)+$b", &"a".repeat(100_000)));
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_whole(pattern in "[ab^$.*+?()|\\\\<bn]{1,8}", text in "[ab\n ]{0,20}", cut in 0usize..20, linespan: bool) {
            if let Ok(pattern) = Pattern::new(pattern.as_bytes(), false, linespan) {
                let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
                let mut search = Search::new(&pattern);
                search.feed(first);
                search.feed(second);
                let by_the_library = pattern.dfa.try_search_fwd(&mut pattern.dfa.create_cache(), &regex_automata::Input::new(&text));
                prop_assert_eq!(search.end(), by_the_library.unwrap().is_some());
            }
        }

        #[test]
        fn no_pattern_panics(pattern in "[]a\\-\\[^$.*+?(){},:=0-9|\\\\w]{0,12}", text in any::<Vec<u8>>()) {
            if let Ok(pattern) = Pattern::new(pattern.as_bytes(), true, false) {
                pattern.is_match(&text);
            }
        }
    }
}
