//! `^` and `$` in a pattern that spans lines.
//!
//! What the original's library does, and -l users rely on: a match begins and ends at a line's end
//! only where the text does, but within a match, behind or before a newline that is part of it, `^`
//! and `$` stand at every line.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// The pattern with those anchors at the text's ends that no newline of the same match can stand
/// beside.
pub(super) fn spanning(pattern: Hir) -> Hir {
    narrowed(pattern, false, false)
}

/// `before` and `after`: whether what stands there in the pattern can match a newline.
fn narrowed(hir: Hir, before: bool, after: bool) -> Hir {
    match hir.into_kind() {
        HirKind::Look(Look::StartLF) if !before => Hir::look(Look::Start),
        HirKind::Look(Look::EndLF) if !after => Hir::look(Look::End),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Concat(parts) => {
            let newlines: Vec<bool> = parts.iter().map(matches_newline).collect();
            let narrow = |(at, part)| {
                let (ahead, behind) = newlines.split_at(at);
                narrowed(
                    part,
                    before || ahead.contains(&true),
                    after || behind.iter().skip(1).any(|newline| *newline),
                )
            };
            Hir::concat(parts.into_iter().enumerate().map(narrow).collect())
        }
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.into_iter().map(|part| narrowed(part, before, after)).collect())
        }
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            let again = max != Some(1) && matches_newline(&sub);
            let sub = Box::new(narrowed(*sub, before || again, after || again));
            Hir::repetition(Repetition { min, max, greedy, sub })
        }
        HirKind::Class(class) => Hir::class(class),
        HirKind::Literal(text) => Hir::literal(text.0),
        HirKind::Capture(group) => narrowed(*group.sub, before, after),
        HirKind::Empty => Hir::empty(),
    }
}

fn matches_newline(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&b'\n'))
        }
        HirKind::Literal(text) => text.0.contains(&b'\n'),
        HirKind::Repetition(repetition) => {
            repetition.max != Some(0) && matches_newline(&repetition.sub)
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(matches_newline),
        HirKind::Capture(group) => matches_newline(&group.sub),
        HirKind::Class(Class::Unicode(_)) | HirKind::Look(_) | HirKind::Empty => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::pattern::posix::Pattern;

    #[test]
    fn anchors_stand_at_lines_within_a_match_only() {
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
}
