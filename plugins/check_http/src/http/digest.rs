//! Digest authentication (RFC 7616). The password itself is never sent.

use md5::Md5;
use sha2::{Digest, Sha256};

/// Which authentication schemes to use (--auth-scheme).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthScheme {
    /// Basic in the first request, then Digest if the server refuses Basic and offers only Digest.
    #[default]
    Any,
    /// Basic only.
    Basic,
    /// Digest only.
    Digest,
}

/// A challenge that a server sends with status 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: DigestAlgorithm,
    /// Whether the algorithm is a `-sess` variant, whose key depends on both nonces.
    session: bool,
    /// Whether to use the quality of protection (qop) `auth`, which servers that follow the older
    /// RFC 2069 do not offer.
    qop: bool,
}

/// Hash functions for Digest authentication, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum DigestAlgorithm {
    Md5,
    Sha256,
}

/// A challenge that has not been validated yet: its scheme, and the names and values of its
/// parameters.
type WrittenChallenge = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

/// Returns the Digest challenge with the strongest algorithm. `values` are the values of all
/// WWW-Authenticate headers. With [`AuthScheme::Any`], returns `None` if the server also offers
/// Basic. In that case, the server has already refused the password, which the first request sent
/// with Basic.
pub fn challenge(values: &[Vec<u8>], scheme: AuthScheme) -> Option<Challenge> {
    let offered: Vec<_> = values.iter().flat_map(|value| written(value)).collect();
    let offers_basic = offered.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"basic"));
    if scheme == AuthScheme::Basic || (scheme == AuthScheme::Any && offers_basic) {
        return None;
    }
    let usable = offered.into_iter().filter_map(Challenge::new);
    usable.max_by_key(|challenge| challenge.algorithm)
}

impl Challenge {
    /// Validates a challenge. Returns `None` if it is not a Digest challenge or requires something
    /// that is not supported.
    fn new((scheme, parameters): WrittenChallenge) -> Option<Challenge> {
        let get = |wanted: &str| {
            let mut all = parameters.iter();
            all.find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes())).map(|(_, v)| v)
        };
        let algorithm = get("algorithm")
            .map_or(String::from("md5"), |name| String::from_utf8_lossy(name).to_ascii_lowercase());
        let (name, session) = match algorithm.strip_suffix("-sess") {
            Some(name) => (name, true),
            None => (algorithm.as_str(), false),
        };
        let algorithm = match name {
            "md5" => DigestAlgorithm::Md5,
            "sha-256" => DigestAlgorithm::Sha256,
            _ => return None,
        };
        let qops = get("qop").map(|list| {
            list.split(|byte| *byte == b',')
                .any(|qop| qop.trim_ascii().eq_ignore_ascii_case(b"auth"))
        });
        Some(Challenge {
            realm: get("realm")?.clone(),
            nonce: get("nonce")?.clone(),
            opaque: get("opaque").cloned(),
            algorithm,
            session,
            qop: qops.unwrap_or(false),
        })
        // Reject other schemes, and challenges that offer only `auth-int`, which is not supported.
        .filter(|_| scheme.eq_ignore_ascii_case(b"digest") && qops != Some(false))
    }

    /// Returns the value of the Authorization header. `credentials` is `user:password`, `uri` is
    /// the path and the query of the request, and `cnonce` is random text.
    pub fn answer(&self, credentials: &[u8], method: &[u8], uri: &[u8], cnonce: &str) -> Vec<u8> {
        const COUNT: &[u8] = b"00000001";
        let colon = credentials.iter().position(|byte| *byte == b':').unwrap_or(credentials.len());
        let (user, password) = credentials.split_at_checked(colon).unwrap_or_default();
        let password = password.get(1..).unwrap_or_default();
        let cnonce = cnonce.as_bytes();
        let mut key = self.hash(&[user, &self.realm, password]);
        if self.session {
            key = self.hash(&[key.as_bytes(), &self.nonce, cnonce]);
        }
        let request = self.hash(&[method, uri]);
        let response = if self.qop {
            self.hash(&[key.as_bytes(), &self.nonce, COUNT, cnonce, b"auth", request.as_bytes()])
        } else {
            self.hash(&[key.as_bytes(), &self.nonce, request.as_bytes()])
        };
        let mut out = b"Digest ".to_vec();
        quoted(&mut out, "username", user);
        quoted(&mut out, ", realm", &self.realm);
        quoted(&mut out, ", nonce", &self.nonce);
        quoted(&mut out, ", uri", uri);
        out.extend_from_slice(b", algorithm=");
        out.extend_from_slice(self.algorithm_name().as_bytes());
        quoted(&mut out, ", response", response.as_bytes());
        if let Some(opaque) = &self.opaque {
            quoted(&mut out, ", opaque", opaque);
        }
        if self.qop || self.session {
            quoted(&mut out, ", cnonce", cnonce);
        }
        if self.qop {
            out.extend_from_slice(b", qop=auth, nc=");
            out.extend_from_slice(COUNT);
        }
        out
    }

    fn algorithm_name(&self) -> &'static str {
        match (self.algorithm, self.session) {
            (DigestAlgorithm::Md5, false) => "MD5",
            (DigestAlgorithm::Md5, true) => "MD5-sess",
            (DigestAlgorithm::Sha256, false) => "SHA-256",
            (DigestAlgorithm::Sha256, true) => "SHA-256-sess",
        }
    }

    /// Joins `parts` with colons and hashes the result. Returns the hash in hexadecimal.
    fn hash(&self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        let hash = match self.algorithm {
            DigestAlgorithm::Md5 => Md5::digest(joined).to_vec(),
            DigestAlgorithm::Sha256 => Sha256::digest(joined).to_vec(),
        };
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Appends a parameter whose value is a quoted string (RFC 9110, section 5.6.4).
fn quoted(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for byte in value.iter().filter(|byte| !byte.is_ascii_control()) {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Splits the value of a WWW-Authenticate header into challenges (RFC 9110, section 11.6.1).
fn written(value: &[u8]) -> Vec<WrittenChallenge> {
    let mut found: Vec<WrittenChallenge> = Vec::new();
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let end = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(end).unwrap_or_default();
        let behind = behind.trim_ascii_start();
        match (behind, found.last_mut()) {
            // Skip separators. In challenges of unknown schemes, also skip other bytes that cannot
            // be part of a token.
            _ if !is_token(*first) => rest = after,
            ([b'=', value @ ..], Some((_, parameters))) => {
                let (value, behind) = parameter_value(value.trim_ascii_start());
                parameters.push((name.to_owned(), value));
                rest = behind;
            }
            _ => {
                found.push((name.to_owned(), Vec::new()));
                rest = behind;
            }
        }
    }
    found
}

/// Reads a token or a quoted string. Returns its value and the text that follows it.
fn parameter_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
        let (token, behind) = text.split_at_checked(end).unwrap_or_default();
        return (token.to_owned(), behind);
    };
    let mut value = Vec::new();
    loop {
        match rest {
            [] => return (value, rest),
            [b'"', behind @ ..] => return (value, behind),
            [b'\\', byte, behind @ ..] | [byte, behind @ ..] => {
                value.push(*byte);
                rest = behind;
            }
        }
    }
}

/// Whether a byte can be part of a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use proptest::prelude::*;

    const REALM: &str = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    fn challenge_in(headers: &[&str], scheme: AuthScheme) -> Option<Challenge> {
        let values: Vec<_> = headers.iter().map(|value| value.as_bytes().to_vec()).collect();
        challenge(&values, scheme)
    }

    fn answer(header: &str) -> String {
        let challenge = challenge_in(&[header], AuthScheme::Digest).unwrap();
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let credentials = b"Mufasa:Circle of Life";
        text::decode(&challenge.answer(credentials, b"GET", b"/dir/index.html", cnonce))
    }

    #[test]
    fn answers_as_in_rfc_7616() {
        let answered = answer(&format!("Digest algorithm=SHA-256, {REALM}"));
        let response = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert!(answered.contains(&format!("response=\"{response}\"")), "{answered}");
        let answered = answer(&format!("Digest {REALM}, algorithm=MD5"));
        assert!(answered.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""), "{answered}");
        assert!(answered.ends_with(", qop=auth, nc=00000001"), "{answered}");
    }

    #[test]
    fn answers_old_servers_without_qop() {
        let challenge = challenge_in(&["digest realm=\"r\\\"\",nonce=n"], AuthScheme::Any).unwrap();
        // The expected response is MD5(MD5(u:r":p):n:MD5(GET:/)), computed with md5sum(1).
        assert_eq!(
            text::decode(&challenge.answer(b"u:p", b"GET", b"/", "c")),
            "Digest username=\"u\", realm=\"r\\\"\", nonce=\"n\", uri=\"/\", algorithm=MD5, \
             response=\"a6330326ef6c52e9ef680745ca555fb2\""
        );
    }

    #[test]
    fn chooses_the_best_supported_challenge() {
        let md5 = "Digest realm=a, nonce=b";
        let sha = "Digest realm=a, nonce=b, algorithm=SHA-256-sess, qop=auth";
        for (headers, scheme, expected) in [
            (&[md5, sha][..], AuthScheme::Digest, Some("SHA-256-sess")),
            (&["Negotiate YII+/=, Digest realm=a, nonce=b"], AuthScheme::Any, Some("MD5")),
            (&["Basic realm=\"x, y\", Digest realm=a, nonce=b"], AuthScheme::Any, None),
            (&["Basic realm=\"x, y\", Digest realm=a, nonce=b"], AuthScheme::Digest, Some("MD5")),
            (&[md5], AuthScheme::Basic, None),
            (&["Basic realm=x"], AuthScheme::Digest, None),
            (&["Digest realm=a, nonce=b, algorithm=SHA-512-256"], AuthScheme::Digest, None),
            (&["Digest realm=a, nonce=b, qop=\"auth-int\""], AuthScheme::Digest, None),
            (&["Digest realm=a"], AuthScheme::Digest, None),
            (&["Bearer realm=a, nonce=b"], AuthScheme::Digest, None),
        ] {
            let found = challenge_in(headers, scheme);
            let name = found.as_ref().map(Challenge::algorithm_name);
            assert_eq!(name, expected, "{headers:?} {scheme:?}");
        }
    }

    proptest! {
        #[test]
        fn answers_any_challenge_in_one_line(
            value in "(Digest |realm=|nonce=|qop=|[ -~\\n]){0,20}",
        ) {
            if let Some(challenge) = challenge_in(&[&value], AuthScheme::Digest) {
                let answer = challenge.answer(b"u:p", b"GET", b"/", "c");
                prop_assert!(!answer.iter().any(u8::is_ascii_control));
            }
        }
    }
}
