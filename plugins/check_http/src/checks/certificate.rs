//! Judges how long a certificate remains valid (-C). Callers pass the current time.

use plugin_kit::State;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::der::{self, Decode, Reader, SliceReader, Tag, Tagged};
use x509_cert::name::RdnSequence;

use crate::date;
use crate::spec::CertificateDays;
use crate::text;

/// Why a certificate cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// The server did not send a certificate.
    #[error("the server sent no certificate")]
    Missing,
    /// The certificate is not valid DER.
    #[error(transparent)]
    Der(#[from] der::Error),
    /// The expiry date cannot be parsed.
    #[error("the expiry date is invalid")]
    Date,
}

/// The parts of a certificate that -C needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// First common name of the subject, if it has one.
    pub common_name: Option<String>,
    /// Expiry date, in seconds since 1970.
    pub not_after: i64,
}

impl PeerCertificate {
    /// Parses a certificate from its DER encoding.
    pub fn parse(der: &[u8]) -> Result<PeerCertificate, BadCertificate> {
        let (not_after, subject) = end_and_subject(der)?;
        // Accept a subject in an unknown encoding, because the expiry date is still useful.
        let subject = RdnSequence::from_der(subject).unwrap_or_default();
        let names = subject.0.iter().flat_map(|part| part.0.iter());
        let common_name = names
            .into_iter()
            .find(|name| name.oid == CN)
            .map(|name| name_of(name.value.tag(), name.value.value()));
        let text = text::decode(not_after.value());
        let not_after = match not_after.tag() {
            Tag::UtcTime => date::parse_utc_time(&text),
            _ => date::parse_generalized_time(&text),
        };
        let not_after = not_after.ok_or(BadCertificate::Date)?;
        Ok(PeerCertificate { common_name, not_after })
    }

    /// Parses the peer's own certificate, which is the first one in `chain`. If `whole` is set,
    /// parses the whole chain and returns the certificate that expires first.
    pub fn parse_chain(chain: &[Vec<u8>], whole: bool) -> Result<PeerCertificate, BadCertificate> {
        let first = PeerCertificate::parse(chain.first().ok_or(BadCertificate::Missing)?)?;
        let others = chain.iter().skip(1).filter(|_| whole).map(|der| PeerCertificate::parse(der));
        others.into_iter().try_fold(first, |soonest, other| {
            let other = other?;
            Ok(if other.not_after < soonest.not_after { other } else { soonest })
        })
    }

    /// Returns the number of days until the certificate expires. It is negative if the certificate
    /// has already expired.
    pub fn days_left(&self, now: i64) -> i64 {
        self.not_after.saturating_sub(now) / 86400
    }

    /// Returns the state of this certificate and a message, worded as in monitoring-plugins.
    pub fn judge(&self, days: CertificateDays, now: i64) -> (State, String) {
        let name = self.common_name.as_deref().unwrap_or("Unknown CN");
        let left = self.not_after.saturating_sub(now);
        let days_left = self.days_left(now);
        let end = date::format(self.not_after);
        let line = |word: &str, rest: String| format!("{word} - Certificate '{name}' {rest}");
        if left < 0 {
            return (State::Critical, line("CRITICAL", format!("expired on {end}.")));
        }
        if left == 0 {
            return (State::Critical, line("CRITICAL", format!("just expired ({end}).")));
        }
        if days_left == 0 {
            let time = if left >= 3600 {
                format!("{} hours", left / 3600)
            } else {
                format!("{} minutes", left / 60)
            };
            return (State::Critical, line("CRITICAL", format!("expires in {time} ({end})")));
        }
        if days_left > i64::from(days.warning) {
            return (State::Ok, line("OK", format!("will expire on {end}.")));
        }
        let state =
            if days_left > i64::from(days.critical) { State::Warning } else { State::Critical };
        (state, line(state.as_str(), format!("expires in {days_left} day(s) ({end}).")))
    }
}

/// Returns the expiry date and the subject of a certificate (RFC 5280, section 4.1). Does not parse
/// the start date, because the library would reject a date before 1970. Devices whose clock is not
/// set create certificates with such dates.
fn end_and_subject(der: &[u8]) -> der::Result<(AnyRef<'_>, &[u8])> {
    SliceReader::new(der)?.sequence(|certificate| {
        let found = certificate.sequence(|part| {
            // Skip the version field, which certificates of version 1 do not have.
            if matches!(part.peek_tag()?, Tag::ContextSpecific { .. }) {
                part.decode::<AnyRef<'_>>()?;
            }
            let _serial_algorithm_issuer: [AnyRef<'_>; 3] =
                [part.decode()?, part.decode()?, part.decode()?];
            let [_, end]: [AnyRef<'_>; 2] =
                part.sequence(|validity| Ok([validity.decode()?, validity.decode()?]))?;
            let subject = part.tlv_bytes()?;
            part.read_slice(part.remaining_len())?;
            Ok((end, subject))
        })?;
        certificate.read_slice(certificate.remaining_len())?;
        Ok(found)
    })
}

/// Decodes a name in any of the encodings that certificates use. BMPString is UTF-16.
fn name_of(tag: Tag, bytes: &[u8]) -> String {
    if tag == Tag::BmpString {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
            .collect();
        return String::from_utf16_lossy(&units);
    }
    text::decode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn judged(left: i64, warning: u32, critical: u32) -> (State, String) {
        let certificate = PeerCertificate { common_name: Some("h".into()), not_after: NOW + left };
        let (state, text) = certificate.judge(CertificateDays { warning, critical }, NOW);
        (state, text.replace(&date::format(NOW + left), "DATE"))
    }

    #[test]
    fn judges_expiry_like_monitoring_plugins() {
        for (left, warning, critical, state, text) in [
            (172_799, 1, 0, State::Warning, "expires in 1 day(s) (DATE)."),
            (86_400, 30, 1, State::Critical, "expires in 1 day(s) (DATE)."),
            (86_399, 0, 0, State::Critical, "expires in 23 hours (DATE)"),
            (3_599, 30, 0, State::Critical, "expires in 59 minutes (DATE)"),
            (59, 30, 0, State::Critical, "expires in 0 minutes (DATE)"),
            (0, 30, 0, State::Critical, "just expired (DATE)."),
            (-1, 30, 0, State::Critical, "expired on DATE."),
            (86_400 * 31, 30, 0, State::Ok, "will expire on DATE."),
            (86_400 * 19, 10, 25, State::Ok, "will expire on DATE."),
        ] {
            let line = format!("{state} - Certificate 'h' {text}");
            assert_eq!(judged(left, warning, critical), (state, line), "{left}");
        }
    }

    #[test]
    fn rejects_invalid_certificates() {
        assert!(PeerCertificate::parse(b"no certificate").is_err());
        assert!(PeerCertificate::parse(&made("700101000000Z", "70010100Z", 0x0c, b"h")).is_err());
    }

    /// Encodes `content` in DER with a tag and a length. The content must be shorter than 128
    /// bytes.
    fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        [&[tag, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
    }

    fn made(begin: &str, end: &str, tag: u8, name: &[u8]) -> Vec<u8> {
        let time = |text: &str| der(if text.len() == 13 { 0x17 } else { 0x18 }, &[text.as_bytes()]);
        let name = der(0x31, &[&der(0x30, &[&[6, 3, 0x55, 4, 3], &der(tag, &[name])])]);
        let parts = [
            der(0xa0, &[&[2, 1, 2]]),
            der(2, &[&[1]]),
            der(0x30, &[]),
            der(0x30, &[]),
            der(0x30, &[&time(begin), &time(end)]),
            der(0x30, &[&name]),
            der(0x30, &[]),
        ];
        der(
            0x30,
            &[&der(0x30, &parts.each_ref().map(Vec::as_slice)), &der(0x30, &[]), &der(3, &[&[0]])],
        )
    }

    #[test]
    fn parses_expiry_from_1966_to_9999() {
        for (begin, end, not_after) in [
            ("691231000000Z", "350101000000Z", 2_051_222_400),
            ("500101000000Z", "491231235959Z", 2_524_607_999),
            ("19500101000000Z", "20500101000000Z", 2_524_608_000),
            ("19000101000000Z", "99991231235959Z", 253_402_300_799),
            ("560101000000Z", "661212171510Z", -96_360_290),
        ] {
            let read = PeerCertificate::parse(&made(begin, end, 0x0c, b"h"));
            let expected = PeerCertificate { common_name: Some("h".into()), not_after };
            assert_eq!(read, Ok(expected), "{begin} {end}");
        }
    }

    #[test]
    fn parses_names_in_all_encodings() {
        for (tag, bytes, name) in [
            (0x0c, "gr\u{fc}n".as_bytes(), Some("gr\u{fc}n")),
            (0x13, b"h.example", Some("h.example")),
            (0x14, b"gr\xfcn", Some("gr\u{fc}n")),
            (0x16, b"h", Some("h")),
            (0x1e, b"\0g\0r\0\xfc\0n\x20\xac", Some("gr\u{fc}n\u{20ac}")),
            (0x1c, b"\0\0\0h", None),
        ] {
            let read = PeerCertificate::parse(&made("700101000000Z", "350101000000Z", tag, bytes));
            assert_eq!(read.map(|read| read.common_name), Ok(name.map(str::to_owned)), "{tag}");
        }
    }
}
