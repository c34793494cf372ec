//! Random bodies in chunks.

use testkit::Random;

/// Bodies in chunks. The first is complete.
const CHUNKS: [&str; 20] = [
    "5\r\nhello\r\n0\r\n\r\n",
    "5;x=y\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "5\r\nhello\r\n",
    "5\r\nhel",
    "zz\r\nhello\r\n0\r\n\r\n",
    "hello",
    "",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\ntrailing",
    "5\r\nhello\r\n0",
    "5\r\nhello\r\n0\r\n",
    "ffffffffff\r\nhello",
    "0005\r\nhello\r\n00\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "\r\n5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n\r\n0\r\n\r\n",
    "A;\r\nhelloworld\r\n0;x\r\n\r\n",
    "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    "5;a=\"b\r\nc\"\r\nhello\r\n0\r\n\r\n",
];
/// Bodies in chunks that belong to a quirk.
const ODD_CHUNKS: [(&str, &str); 7] = [
    ("chunk-lines-with-bare-newline", "5\nhello\n0\n\n"),
    ("blank-after-chunk-size", "5 \r\nhello\r\n0\r\n\r\n"),
    ("chunk-longer-than-announced", "5\r\nhelloXX0\r\n\r\n"),
    ("chunk-size-with-prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-size-with-prefix", "+5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-larger-than-memory", "7fffffff\r\nhello"),
    ("chunk-larger-than-memory", "80000000\r\nhello"),
];
const ODD_CODINGS: [&str; 4] = [
    "Transfer-Encoding: gzip, chunked",
    "X-Transfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding:\tchunked",
];

/// A body in chunks, with the header that announces it.
pub struct ChunkedBody {
    /// The line of the header.
    pub coding: &'static str,
    pub body: Vec<u8>,
    /// Quirk to which the body or the header belongs.
    pub quirk: Option<&'static str>,
}

impl ChunkedBody {
    /// Returns `whole` in random chunks, or rarely another body, which can be invalid.
    pub fn random(random: &mut Random, whole: &[u8]) -> ChunkedBody {
        let coding = random.choose(&[
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
            "transfer-encoding: CHUNKED",
            "Transfer-Encoding:chunked",
        ]);
        match random.below(60) {
            0 => {
                let (quirk, body) = random.choose(&ODD_CHUNKS);
                ChunkedBody { coding, body: body.into(), quirk: Some(quirk) }
            }
            1 => {
                let coding = random.choose(&ODD_CODINGS);
                let quirk = Some("detection-of-chunks");
                ChunkedBody { coding, body: CHUNKS[0].into(), quirk }
            }
            2..12 => ChunkedBody { coding, body: random.choose(&CHUNKS).into(), quirk: None },
            _ => ChunkedBody { coding, body: divided(random, whole), quirk: None },
        }
    }
}

fn divided(random: &mut Random, whole: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut rest = whole;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(1 + random.index(rest.len()));
        let size = chunk.len();
        let size = if random.one_in(2) { format!("{size:x}") } else { format!("{size:X}") };
        let extension = random.choose(&["", "", "", ";x", ";a=b"]);
        let parts = [size.as_bytes(), extension.as_bytes(), b"\r\n", chunk, b"\r\n"];
        body.extend_from_slice(&parts.concat());
        rest = after;
    }
    [&body, "0\r\n\r\n".as_bytes()].concat()
}
