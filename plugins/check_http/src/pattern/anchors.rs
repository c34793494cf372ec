//! Changes the meaning of `^` and `$` in a pattern that spans lines (-l).
//!
//! Users of -l rely on the meaning in glibc, which monitoring-plugins' check_http uses: `^` and `$`
//! match at the start and the end of the whole text. They also match at a line break, but only if
//! the match includes the newline.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// Restricts each anchor to the start or end of the text. However, if the pattern itself can match
/// the newline next to an anchor, that anchor still matches at a line break.
pub(super) fn spanning(pattern: Hir) -> Hir {
    narrowed(pattern, false, false)
}

/// Applies [`spanning`] to a part of the pattern. `before` and `after` are set if the pattern can
/// match a newline before or after this part.
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
