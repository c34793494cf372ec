//! Decompresses bodies in gzip (RFC 1952) and deflate (RFC 1950) format, up to a limit, because a
//! small body can expand to a huge one.
//!
//! The checksums and lengths in gzip data are not verified, because some servers send wrong ones.

use miniz_oxide::inflate::{
    DecompressError, TINFLStatus, decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit,
};

use crate::http::response::ResponseHead;

/// Request header line that accepts compressed bodies.
pub const ACCEPTED: &str = "Accept-Encoding: gzip, deflate";

/// The body cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body cannot be decompressed")]
pub struct DamagedBody;

/// A decompressed body. It may have been cut at the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decompressed {
    /// Decompressed bytes, up to the limit.
    pub body: Vec<u8>,
    /// Whether the body was cut at the limit.
    pub cut: bool,
}

/// Decompresses `body` if the Content-Encoding header says that it is compressed. Otherwise returns
/// `None`.
pub fn decompress(
    head: &ResponseHead,
    body: &[u8],
    limit: usize,
) -> Result<Option<Decompressed>, DamagedBody> {
    let coding = head.values("Content-Encoding").pop().unwrap_or_default().to_ascii_lowercase();
    let result = match coding.as_slice() {
        b"gzip" | b"x-gzip" => {
            decompress_to_vec_with_limit(deflated(body).ok_or(DamagedBody)?, limit)
        }
        b"deflate" => zlib_or_raw(body, limit),
        _ => return Ok(None),
    };
    match result {
        Ok(body) => Ok(Some(Decompressed { body, cut: false })),
        Err(cut) if cut.status == TINFLStatus::HasMoreOutput => {
            Ok(Some(Decompressed { body: cut.output, cut: true }))
        }
        Err(_) => Err(DamagedBody),
    }
}

/// Decompresses data in the `deflate` coding. RFC 9110, section 8.4.1.2, defines it as the zlib
/// format, but some servers send raw deflate data instead. This function tries both.
fn zlib_or_raw(body: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    match decompress_to_vec_zlib_with_limit(body, limit) {
        Err(why) if why.status != TINFLStatus::HasMoreOutput => {
            decompress_to_vec_with_limit(body, limit)
        }
        result => result,
    }
}

/// Returns the data after the header of a gzip file.
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
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    use proptest::prelude::*;

    fn plain(coding: &str, body: &[u8], limit: usize) -> Result<Option<Decompressed>, DamagedBody> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n");
        decompress(&ResponseHead::new(head.as_bytes()), body, limit)
    }

    fn gzip(flags: u8, extra: &[u8], plain: &[u8]) -> Vec<u8> {
        [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3], extra, &compress_to_vec(plain, 6), &[0; 8]]
            .concat()
    }

    #[test]
    fn decompresses_every_format() {
        for (coding, body) in [
            ("gzip", gzip(0, b"", b"hello")),
            ("X-GZIP", gzip(4 | 8 | 16 | 2, b"\x02\0xxname\0comment\0cc", b"hello")),
            ("deflate", compress_to_vec_zlib(b"hello", 6)),
            ("deflate", compress_to_vec(b"hello", 6)),
        ] {
            let hello = Decompressed { body: b"hello".to_vec(), cut: false };
            assert_eq!(plain(coding, &body, 99), Ok(Some(hello)), "{coding}");
        }
        assert_eq!(plain("identity", b"hello", 99), Ok(None));
        assert_eq!(plain("gzip", b"hello", 99), Err(DamagedBody));
    }

    #[test]
    fn stops_decompression_at_the_limit() {
        assert_eq!(
            plain("gzip", &gzip(0, b"", &[0; 105]), 100),
            Ok(Some(Decompressed { body: vec![0; 100], cut: true }))
        );
    }

    proptest! {
        #[test]
        fn decompresses_any_bytes_without_panic(bytes in any::<Vec<u8>>(), flags in any::<u8>()) {
            let header = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
            let _ = plain("gzip", &bytes, 1 << 20);
            let _ = plain("gzip", &[&header, bytes.as_slice()].concat(), 1 << 20);
            let _ = plain("deflate", &bytes, 1 << 20);
        }
    }
}
