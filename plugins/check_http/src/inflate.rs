//! Bodies out of their compression: gzip (RFC 1952) and deflate (RFC 1950), up to a limit, for a small body can hide a huge one.

use miniz_oxide::inflate::{DecompressError, TINFLStatus, decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

use crate::client::Page;

/// What the request says of it.
pub const ACCEPTED: &str = "Accept-Encoding: gzip, deflate";

/// The body cannot be had: so much for its compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Replaces the body by what it holds, where the header says it is compressed. What comes behind the limit is cut.
pub fn inflate(page: &mut Page, limit: usize) -> Result<(), Damaged> {
    let coding = page.head.values("Content-Encoding").pop().unwrap_or_default().to_ascii_lowercase();
    let result = match coding.as_slice() {
        b"gzip" | b"x-gzip" => decompress_to_vec_with_limit(deflated(&page.body).ok_or(Damaged)?, limit),
        b"deflate" => zlib_or_raw(&page.body, limit),
        _ => return Ok(()),
    };
    page.body = match result {
        Ok(body) => body,
        Err(cut) if cut.status == TINFLStatus::HasMoreOutput => {
            page.searched = Some(limit);
            cut.output
        }
        Err(_) => return Err(Damaged),
    };
    Ok(())
}

/// "deflate" is the zlib format; some servers send it bare (RFC 9110, section 8.4.1.2).
fn zlib_or_raw(body: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    match decompress_to_vec_zlib_with_limit(body, limit) {
        Err(why) if why.status != TINFLStatus::HasMoreOutput => decompress_to_vec_with_limit(body, limit),
        result => result,
    }
}

/// What follows the header of a gzip file.
fn deflated(gzip: &[u8]) -> Option<&[u8]> {
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] = gzip else { return None };
    let mut rest = rest;
    if flags & EXTRA != 0 {
        let [low, high, after @ ..] = rest else { return None };
        rest = after.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Head;
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    use proptest::prelude::*;

    fn page(coding: &str, body: Vec<u8>) -> Page {
        let head = Head::new(format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n").as_bytes());
        Page { head, body, ..Page::default() }
    }

    fn gzip(flags: u8, extra: &[u8], plain: &[u8]) -> Vec<u8> {
        [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3], extra, &compress_to_vec(plain, 6), &[0; 8]].concat()
    }

    #[test]
    fn every_form_is_read() {
        for (coding, body) in [
            ("gzip", gzip(0, b"", b"hello")),
            ("X-GZIP", gzip(4 | 8 | 16 | 2, b"\x02\0xxname\0comment\0cc", b"hello")),
            ("deflate", compress_to_vec_zlib(b"hello", 6)),
            ("deflate", compress_to_vec(b"hello", 6)),
            ("identity", b"hello".to_vec()),
        ] {
            let mut page = page(coding, body);
            assert_eq!((inflate(&mut page, 99), page.body.as_slice()), (Ok(()), &b"hello"[..]), "{coding}");
        }
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let mut page = page("gzip", gzip(0, b"", &[0; 105]));
        assert_eq!((inflate(&mut page, 100), page.body.len(), page.searched), (Ok(()), 100, Some(100)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), flags in any::<u8>()) {
            let _ = inflate(&mut page("gzip", bytes.clone()), 1 << 20);
            let _ = inflate(&mut page("gzip", [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3], bytes.as_slice()].concat()), 1 << 20);
            let _ = inflate(&mut page("deflate", bytes), 1 << 20);
        }
    }
}
