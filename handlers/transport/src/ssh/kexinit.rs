//! Parses the algorithm lists that a host offers at the start of a key exchange (RFC 4253, 7.1).
//! These lists are among the first bytes from the host and are not yet encrypted.
//!
//! libssh2 never reports the offered lists. Its error does not show whether the connection ended or
//! the two sides had no algorithm in common.

use crate::text::quoted;

/// How many of the host's first bytes to keep. Every host's algorithm lists are shorter than this.
pub(super) const HEAD: usize = 16 * 1024;

/// Message number of SSH_MSG_KEXINIT.
const KEXINIT: u8 = 20;
/// How many bytes precede the lists: one for the message number and 16 for the cookie.
const PREFIX: usize = 1 + 16;

/// The lists that we offer. Each entry has a name for messages, the algorithms separated by commas,
/// and the index of the host's list to compare them with.
pub(super) type OfferedLists<'a> = [(&'static str, &'a str, usize)];

/// Finds the host's first list that has no algorithm in common with ours, and describes it for a
/// message. Returns `None` if each list has a common algorithm or the host's lists are incomplete.
pub(super) fn disagreement(head: &[u8], ours: &OfferedLists<'_>) -> Option<String> {
    let offered = lists(head)?;
    ours.iter().find_map(|(what, ours, index)| {
        let theirs = offered.get(*index)?;
        let common = ours.split(',').any(|name| theirs.split(',').any(|other| other == name));
        (!common).then(|| {
            format!("the host offers these unverified {what}: {}", quoted(theirs.as_bytes()))
        })
    })
}

/// Returns the host key algorithms that the host offers, or `None` if its lists are incomplete.
pub(crate) fn host_keys(head: &[u8]) -> Option<Vec<String>> {
    Some(lists(head)?.get(1)?.split(',').map(str::to_owned).collect())
}

/// Returns the ten name-lists in the order of RFC 4253, 7.1: key exchange, host keys, ciphers to
/// and from the host, MACs to and from the host, and so on.
fn lists(head: &[u8]) -> Option<Vec<String>> {
    let packet = after_banner(head)?;
    let (length, packet) = packet.split_first_chunk::<4>()?;
    let packet = packet.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let (padding, payload) = packet.split_first()?;
    let payload = payload.get(..payload.len().checked_sub(usize::from(*padding))?)?;
    let mut rest = payload.get(PREFIX..).filter(|_| payload.first() == Some(&KEXINIT))?;
    let mut lists = Vec::new();
    while lists.len() < 10 {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (list, after) =
            after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        lists.push(String::from_utf8_lossy(list).into_owned());
        rest = after;
    }
    Some(lists)
}

/// Returns what a host sent instead of its version (RFC 4253, 4.2), on one line and in quotes.
/// Returns `None` if the host sent nothing.
pub(super) fn greeting(head: &[u8]) -> Option<String> {
    let lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let text: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    let is_refusal = !text.is_empty() && !text.iter().any(|line| line.starts_with(b"SSH-"));
    is_refusal.then(|| quoted(&text.join(b" / ".as_slice())))
}

/// Returns the bytes after the host's version line, which begins with "SSH-" (RFC 4253, 4.2). Other
/// lines may come before it.
fn after_banner(head: &[u8]) -> Option<&[u8]> {
    let mut rest = head;
    loop {
        let end = rest.iter().position(|b| *b == b'\n')? + 1;
        let (line, after) = rest.split_at_checked(end)?;
        if line.starts_with(b"SSH-") {
            return Some(after);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(lists: &[&str]) -> Vec<u8> {
        let mut payload = vec![KEXINIT];
        payload.extend([0; 16]);
        for list in lists {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        let mut head = b"hello\r\nSSH-2.0-x\r\n".to_vec();
        head.extend(u32::try_from(payload.len() + 1 + 7).unwrap().to_be_bytes());
        head.push(7);
        head.extend(payload);
        head.extend([0; 7]);
        head
    }

    const OFFER: [&str; 10] = ["k1,k2", "h1,h2", "c1", "c2", "m1", "m2", "none", "none", "", ""];

    #[test]
    fn names_the_list_without_a_common_algorithm() {
        let ours = |kex, key| [("key exchanges", kex, 0), ("host keys", key, 1)];
        assert_eq!(disagreement(&head(&OFFER), &ours("k2", "h9,h2")), None);
        assert_eq!(
            disagreement(&head(&OFFER), &ours("k2", "h")),
            Some("the host offers these unverified host keys: \"h1,h2\"".into())
        );
        assert_eq!(
            disagreement(&head(&OFFER), &ours("x", "h1")),
            Some("the host offers these unverified key exchanges: \"k1,k2\"".into())
        );
    }

    #[test]
    fn ignores_truncated_lists() {
        let whole = head(&OFFER);
        for end in 0..whole.len() {
            assert_eq!(disagreement(&whole[..end], &[("host keys", "x", 1)]), None, "{end}");
        }
        assert!(disagreement(&whole, &[("host keys", "x", 1)]).is_some());
    }

    proptest! {
        #[test]
        fn does_not_panic_on_any_input(bytes: Vec<u8>) {
            let head = [b"SSH-2.0-x\n".as_slice(), &bytes].concat();
            let _ = disagreement(&head, &[("host keys", "x", 1)]);
        }
    }
}
