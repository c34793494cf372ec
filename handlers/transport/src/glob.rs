//! The patterns of ssh_config(5), PATTERNS.

/// `*` is any text, `?` any one character. Backtracks to the last `*` only, so its time is at most
/// the product of lengths.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase().into_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&x) if x == b'?' || x == c => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, tried)) => {
                    star = Some((at, tried + 1));
                    (p, n) = (at + 1, tried + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The obvious definition, slow and recursive.
    fn plainly_fits(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if plainly_fits(rest, name) => true,
            (Some((b'*', _)), Some((_, name))) => plainly_fits(pattern, name),
            (Some((p, pattern)), Some((n, name))) => {
                (*p == b'?' || p == n) && plainly_fits(pattern, name)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_as_defined(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(fits(&pattern, &name), plainly_fits(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
