//! What a host offers at the beginning of a key exchange (RFC 4253, 7.1), read from its first
//! bytes, which are not yet encrypted. libssh2 says the same for "nothing in common" and for "the
//! connection ended", and never what was offered.

use crate::text::quoted;

/// Longer than any host's list of algorithms.
pub(super) const HEAD: usize = 16 * 1024;

/// SSH_MSG_KEXINIT.
const KEXINIT: u8 = 20;
/// The message number and the cookie before the lists.
const PREFIX: usize = 1 + 16;

/// The lists we ask for: what each is for, our names, and which of the host's lists it is compared
/// with.
pub(super) type Asked<'a> = [(&'static str, &'a str, usize)];

/// Which of our lists has nothing in common with the host's, in words; none if all have, or if its
/// lists never came.
pub(super) fn disagreement(head: &[u8], asked: &Asked<'_>) -> Option<String> {
    let offered = lists(head)?;
    asked.iter().find_map(|(what, ours, index)| {
        let theirs = offered.get(*index)?;
        let common = ours.split(',').any(|name| theirs.split(',').any(|other| other == name));
        (!common).then(|| format!("it offers {what}, unverified: {}", quoted(theirs.as_bytes())))
    })
}

/// The host key algorithms that the host offers; none if its lists never came.
pub(crate) fn host_keys(head: &[u8]) -> Option<Vec<String>> {
    Some(lists(head)?.get(1)?.split(',').map(str::to_owned).collect())
}

/// The name-lists in their order: key exchange, host keys, ciphers up and down, MACs up and down,
/// and so on.
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

/// Other lines may come before the one that begins with "SSH-" (RFC 4253, 4.2).
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
    fn the_list_without_a_common_name_is_named() {
        let asked = |kex, key| [("key exchanges", kex, 0), ("host keys", key, 1)];
        assert_eq!(disagreement(&head(&OFFER), &asked("k2", "h9,h2")), None);
        assert_eq!(
            disagreement(&head(&OFFER), &asked("k2", "h")),
            Some("it offers host keys, unverified: \"h1,h2\"".into())
        );
        assert_eq!(
            disagreement(&head(&OFFER), &asked("x", "h1")),
            Some("it offers key exchanges, unverified: \"k1,k2\"".into())
        );
    }

    #[test]
    fn a_list_that_never_came_whole_is_no_disagreement() {
        let whole = head(&OFFER);
        for end in 0..whole.len() {
            assert_eq!(disagreement(&whole[..end], &[("host keys", "x", 1)]), None, "{end}");
        }
        assert!(disagreement(&whole, &[("host keys", "x", 1)]).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = disagreement(&[b"SSH-2.0-x\n".as_slice(), &bytes].concat(), &[("host \
                keys", "x", 1)]);
        }
    }
}
