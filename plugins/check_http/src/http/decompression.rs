//! Decompresses bodies in gzip (RFC 1952) and deflate (RFC 1950) format. The size of the result is
//! limited, because a small body can expand to a huge one.
//!
//! The checksums and lengths in gzip data are not verified, because some servers send wrong ones.

use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress as inflate};
use miniz_oxide::inflate::{
    DecompressError, TINFLStatus, decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit,
};

use crate::text;

/// Maximum number of characters of an unsupported coding that the message shows.
const MAX_SHOWN_CODING: usize = 40;

/// Size of the trailer of a gzip member, in bytes. It contains a checksum and the length of the
/// data.
const TRAILER: usize = 8;

/// Maximum number of members of a gzip file. Each member takes time, even if it is empty.
const MAX_MEMBERS: usize = 10_000;

/// Request header line that accepts compressed bodies.
pub const ACCEPTED: &str = "Accept-Encoding: gzip, deflate";

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UndecodableBody {
    /// The compressed data are damaged or truncated, or have more than 10,000 gzip members.
    #[error("body cannot be decompressed")]
    Damaged,
    /// The server used a coding that the request did not accept, such as `br`, or several codings.
    /// Holds the value of the Content-Encoding header, shortened to 40 characters.
    #[error("body cannot be decompressed, its coding is '{0}'")]
    Unsupported(String),
}

/// A decompressed body. It may have been cut at the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decompressed {
    /// Decompressed bytes, up to the limit.
    pub body: Vec<u8>,
    /// Whether the body was cut at the limit.
    pub cut: bool,
}

/// Decompresses `body` if `codings`, the values of the Content-Encoding header, say that it is
/// compressed. Otherwise returns `None`.
///
/// # Errors
/// Fails if the data are damaged or the coding is not supported.
pub fn decompress(
    codings: &[Vec<u8>],
    body: &[u8],
    limit: usize,
) -> Result<Option<Decompressed>, UndecodableBody> {
    let coding = codings.join(&b","[..]).to_ascii_lowercase();
    match coding.as_slice() {
        b"gzip" | b"x-gzip" => gunzip(body, limit).map(Some),
        b"deflate" => match zlib_or_raw(body, limit) {
            Ok(body) => Ok(Some(Decompressed { body, cut: false })),
            Err(cut) if cut.status == TINFLStatus::HasMoreOutput => {
                Ok(Some(Decompressed { body: cut.output, cut: true }))
            }
            Err(_) => Err(UndecodableBody::Damaged),
        },
        b"" | b"identity" => Ok(None),
        _ => {
            let coding = text::decode(&coding).chars().take(MAX_SHOWN_CODING).collect();
            Err(UndecodableBody::Unsupported(coding))
        }
    }
}

/// Decompresses all members of a gzip file (RFC 1952, section 2.2). The last trailer may be missing
/// or followed by zeros.
fn gunzip(gzip: &[u8], limit: usize) -> Result<Decompressed, UndecodableBody> {
    let mut state = Box::<DecompressorOxide>::default();
    let mut body = vec![0; gzip.len().saturating_mul(2).min(limit)];
    let (mut start, mut end, mut members) = (0, 0, 1);
    let mut rest = deflated(gzip).ok_or(UndecodableBody::Damaged)?;
    loop {
        let member = body.get_mut(start..).unwrap_or_default();
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = inflate(&mut state, rest, member, end - start, flags);
        end += written;
        rest = rest.get(read..).unwrap_or_default();
        match status {
            TINFLStatus::Done => {
                rest = rest.get(TRAILER..).unwrap_or_default();
                if rest.iter().all(|byte| *byte == 0) {
                    body.truncate(end);
                    return Ok(Decompressed { body, cut: false });
                }
                rest = deflated(rest).ok_or(UndecodableBody::Damaged)?;
                members += 1;
                if members > MAX_MEMBERS {
                    return Err(UndecodableBody::Damaged);
                }
                state.init();
                start = end;
            }
            TINFLStatus::HasMoreOutput if body.len() >= limit => {
                return Ok(Decompressed { body, cut: true });
            }
            TINFLStatus::HasMoreOutput => {
                body.resize(body.len().saturating_mul(2).min(limit), 0);
            }
            _ => return Err(UndecodableBody::Damaged),
        }
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

/// Returns the compressed data, which follows the header of a gzip member. Returns `None` if the
/// header is invalid.
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

    fn plain(
        coding: &str,
        body: &[u8],
        limit: usize,
    ) -> Result<Option<Decompressed>, UndecodableBody> {
        let codings: Vec<_> = coding.split(';').map(|coding| coding.as_bytes().to_vec()).collect();
        decompress(&codings, body, limit)
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
        for coding in ["", "identity", "Identity"] {
            assert_eq!(plain(coding, b"hello", 99), Ok(None), "{coding}");
        }
        assert_eq!(plain("gzip", b"hello", 99), Err(UndecodableBody::Damaged));
    }

    #[test]
    fn rejects_codings_that_were_not_requested() {
        let body = gzip(0, b"", b"hello");
        for (coding, shown) in
            [("br", "br"), ("ZSTD", "zstd"), ("gzip, gzip", "gzip, gzip"), ("br;gzip", "br,gzip")]
        {
            let unsupported = UndecodableBody::Unsupported(shown.into());
            assert_eq!(plain(coding, &body, 99), Err(unsupported), "{coding}");
        }
    }

    #[test]
    fn stops_decompression_at_the_limit() {
        assert_eq!(
            plain("gzip", &gzip(0, b"", &[0; 105]), 100),
            Ok(Some(Decompressed { body: vec![0; 100], cut: true }))
        );
    }

    #[test]
    fn decompresses_every_member_of_a_gzip_file() {
        let (one, two) = (gzip(0, b"", b"hello"), gzip(8, b"name\0", &[b'x'; 9000]));
        let body = [b"hello".as_slice(), &[b'x'; 9000]].concat();
        let both = [one.as_slice(), &two].concat();
        for padding in [0, 1, 512] {
            let padded = [both.as_slice(), &vec![0; padding]].concat();
            let whole = Decompressed { body: body.clone(), cut: false };
            assert_eq!(plain("gzip", &padded, 9005), Ok(Some(whole)), "{padding}");
        }
        for limit in [3, 5, 9004] {
            let cut = Decompressed { body: body[..limit].to_vec(), cut: true };
            assert_eq!(plain("gzip", &both, limit), Ok(Some(cut)), "{limit}");
        }
        for rest in [&b"error"[..], &two[..7], &two[..30], b"\0\0error"] {
            let damaged = [one.as_slice(), rest].concat();
            assert_eq!(plain("gzip", &damaged, 9999), Err(UndecodableBody::Damaged), "{rest:?}");
        }
    }

    #[test]
    fn limits_members_of_a_gzip_file() {
        let members = |count| gzip(0, b"", b"x").repeat(count);
        let most = Decompressed { body: vec![b'x'; MAX_MEMBERS], cut: false };
        assert_eq!(plain("gzip", &members(MAX_MEMBERS), 1 << 20), Ok(Some(most)));
        let more = plain("gzip", &members(MAX_MEMBERS + 1), 1 << 20);
        assert_eq!(more, Err(UndecodableBody::Damaged));
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
