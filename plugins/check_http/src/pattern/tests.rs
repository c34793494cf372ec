//! Tests what patterns match and which patterns are rejected.

use proptest::prelude::*;
use regex_automata::Input;

use super::error::BadPattern;
use super::matcher::PatternMatcher;
use super::posix::Pattern;

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern.as_bytes(), false, false).unwrap().is_match(text.as_bytes())
}

#[test]
fn matches_posix_and_gnu_syntax() {
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
fn matches_bytes() {
    let latin = Pattern::new(b"caf\xe9", false, false).unwrap();
    assert!(latin.is_match(b"un caf\xe9 \xff"));
    assert!(!latin.is_match("un café".as_bytes()));
}

#[test]
fn honours_case_and_line_flags() {
    let pattern = |text: &str, i, l| Pattern::new(text.as_bytes(), i, l).unwrap();
    assert!(pattern("[a-c]X", true, false).is_match(b"Bx"));
    assert!(!pattern("[^a]", true, false).is_match(b"A"));
    assert!(pattern("a.b", false, true).is_match(b"a\nb"));
    assert!(!pattern("^b", false, true).is_match(b"a\nb"));
}

#[test]
fn rejects_invalid_patterns() {
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
        let why = Pattern::new(pattern.as_bytes(), false, false).err();
        assert_eq!(why, Some(problem), "{pattern}");
    }
    assert!(Pattern::new("(".repeat(100_000).as_bytes(), false, false).is_err());
}

#[test]
fn matches_in_linear_time() {
    assert!(!matches("(a*)*(a|aa)+$b", &"a".repeat(100_000)));
}

#[test]
fn linespan_anchors_match_at_newlines_within_the_match() {
    for (pattern, found) in [
        ("^foo", true),
        ("^bar", false),
        ("foo$", false),
        ("x\n$", true),
        ("foo\n^bar", true),
        ("foo$\nbar", true),
        (".*^baz", true),
        ("foo$.*x", true),
        ("x*^bar", false),
        ("bar$q*", false),
        ("(x|^)bar", false),
        ("(o|.)^bar", true),
        ("foo.\\`bar", false),
        ("foo\\'.bar", false),
        ("(^[a-z ]*.){3}", true),
        ("(^[a-z ]*){3}", true),
    ] {
        let pattern_of_lines = Pattern::new(pattern.as_bytes(), false, true).unwrap();
        assert_eq!(pattern_of_lines.is_match(b"foo\nbar\nbaz x\n"), found, "{pattern}");
    }
}

proptest! {
    #[test]
    fn matches_in_pieces_as_in_whole_text(
        pattern in "[ab^$.*+?()|\\\\<bn]{1,8}",
        text in "[ab\n ]{0,20}",
        cut in 0usize..20,
        linespan: bool,
    ) {
        if let Ok(pattern) = Pattern::new(pattern.as_bytes(), false, linespan) {
            let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
            let mut matcher = PatternMatcher::new(&pattern);
            matcher.feed(first);
            matcher.feed(second);
            let (mut cache, input) = (pattern.dfa.create_cache(), Input::new(&text));
            let by_library = pattern.dfa.try_search_fwd(&mut cache, &input).unwrap();
            prop_assert_eq!(matcher.end(), by_library.is_some());
        }
    }

    #[test]
    fn compiles_any_pattern_without_panic(
        pattern in "[]a\\-\\[^$.*+?(){},:=0-9|\\\\w]{0,12}",
        text in any::<Vec<u8>>(),
    ) {
        if let Ok(pattern) = Pattern::new(pattern.as_bytes(), true, false) {
            pattern.is_match(&text);
        }
    }
}
