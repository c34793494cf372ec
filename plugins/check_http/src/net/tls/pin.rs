//! Pins: hashes of the public key that a server must have (--pin-sha256).

use std::str::FromStr;

use sha2::{Digest, Sha256};
use x509_cert::der::{self, Reader, SliceReader, Tag};

use crate::fault::{Fault, TlsFault};
use crate::text;

/// SHA-256 hash of a server's public key (SubjectPublicKeyInfo) in Base64, as in RFC 7469, section
/// 2.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyPin(String);

/// A pin that is not the Base64 form of a SHA-256 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the SHA-256 hash of the public key in Base64, which has 44 characters")]
pub struct BadPin;

impl FromStr for PublicKeyPin {
    type Err = BadPin;

    /// Parses a pin, which can have the prefix `sha256//` as in curl.
    fn from_str(text: &str) -> Result<PublicKeyPin, BadPin> {
        let text = text.strip_prefix("sha256//").unwrap_or(text);
        let digits = text.strip_suffix('=').filter(|digits| digits.len() == 43).ok_or(BadPin)?;
        let in_alphabet = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        digits.chars().all(in_alphabet).then(|| PublicKeyPin(text.to_owned())).ok_or(BadPin)
    }
}

/// Compares the public key of the first certificate in `chain` with `pins`. One of them must match,
/// unless `pins` is empty.
///
/// # Errors
/// Returns [`Fault::Untrusted`] if no pin matches.
pub fn check(pins: &[PublicKeyPin], chain: &[Vec<u8>]) -> Result<(), Fault> {
    if pins.is_empty() {
        return Ok(());
    }
    let untrusted = |why| Fault::Untrusted(TlsFault { why, openssl_may_help: false });
    let own = chain.first().map(Vec::as_slice).unwrap_or_default();
    let key = public_key(own)
        .map_err(|why| untrusted(format!("its public key cannot be read ({why})")))?;
    let found = PublicKeyPin(text::base64(&Sha256::digest(key)));
    if pins.contains(&found) {
        Ok(())
    } else {
        Err(untrusted(format!(
            "its public key does not match --pin-sha256; its pin is {}",
            found.0
        )))
    }
}

/// Returns the encoded SubjectPublicKeyInfo of a certificate (RFC 5280, section 4.1). Skips the
/// other fields without parsing them, because a library may reject values that do not matter here.
fn public_key(certificate: &[u8]) -> der::Result<&[u8]> {
    SliceReader::new(certificate)?.sequence(|certificate| {
        let found = certificate.sequence(|part| {
            // Skip the version field, which certificates of version 1 do not have.
            if matches!(part.peek_tag()?, Tag::ContextSpecific { .. }) {
                part.tlv_bytes()?;
            }
            // Skip the serial number, the algorithm, the issuer, the validity and the subject.
            for _ in 0..5 {
                part.tlv_bytes()?;
            }
            let key = part.tlv_bytes()?;
            while !part.is_finished() {
                part.tlv_bytes()?;
            }
            Ok(key)
        })?;
        while !certificate.is_finished() {
            certificate.tlv_bytes()?;
        }
        Ok(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_hashes_in_base64() {
        let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(hash.parse(), Ok(PublicKeyPin(hash.into())));
        assert_eq!(format!("sha256//{hash}").parse(), Ok(PublicKeyPin(hash.into())));
        for text in ["", "=", &hash[1..], &hash.replace('+', "-"), &format!("{hash}="), "sha256//"]
        {
            assert_eq!(text.parse::<PublicKeyPin>(), Err(BadPin), "{text}");
        }
    }

    #[test]
    fn rejects_every_key_without_certificate() {
        let pins = ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap()];
        for chain in [vec![], vec![vec![]], vec![b"\x30\x82".to_vec()]] {
            assert!(matches!(check(&pins, &chain), Err(Fault::Untrusted(_))), "{chain:?}");
            assert_eq!(check(&[], &chain), Ok(()));
        }
    }
}
