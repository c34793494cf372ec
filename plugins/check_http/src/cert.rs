//! The judgement of -C: how long a certificate is still good for. Pure; now is an argument.

use plugin_kit::State;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::der::{Decode, Tag, Tagged};

use crate::date;
use crate::wish::Days;

/// What -C looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The first common name of its subject.
    pub common_name: Option<String>,
    /// Its last second.
    pub not_after: i64,
}

impl Certificate {
    /// Reads a certificate in DER.
    pub fn read(der: &[u8]) -> Result<Certificate, String> {
        let certificate = CertificateInner::<Raw>::from_der(der).map_err(|why| why.to_string())?.tbs_certificate;
        let names = certificate.subject.0.iter().flat_map(|part| part.0.iter());
        let common_name = names.into_iter().find(|name| name.oid == CN).map(|name| name_of(name.value.tag(), name.value.value()));
        let not_after = certificate.validity.not_after.to_unix_duration().as_secs();
        Ok(Certificate { common_name, not_after: i64::try_from(not_after).unwrap_or(i64::MAX) })
    }

    /// Reads the peer's own certificate, the first it sent; or of all it sent the one that ends first.
    pub fn read_of(chain: &[Vec<u8>], whole: bool) -> Result<Certificate, String> {
        let first = Certificate::read(chain.first().ok_or("it sent none")?)?;
        let others = chain.iter().skip(1).filter(|_| whole).map(|der| Certificate::read(der));
        others.into_iter().try_fold(first, |soonest, other| {
            let other = other?;
            Ok(if other.not_after < soonest.not_after { other } else { soonest })
        })
    }

    /// Days until its end, those behind it negative: what -C compares.
    pub fn days_left(&self, now: i64) -> i64 {
        self.not_after.saturating_sub(now) / 86400
    }

    /// State and text, in the words of check_http.
    pub fn judge(&self, days: Days, now: i64) -> (State, String) {
        let name = self.common_name.as_deref().unwrap_or("Unknown CN");
        let left = self.not_after.saturating_sub(now);
        let days_left = self.days_left(now);
        let end = date::shown(self.not_after);
        let text = |word: &str, rest: String| format!("{word} - Certificate '{name}' {rest}");
        if left < 0 {
            return (State::Critical, text("CRITICAL", format!("expired on {end}.")));
        }
        if left == 0 {
            return (State::Critical, text("CRITICAL", format!("just expired ({end}).")));
        }
        if days_left == 0 {
            let time = if left >= 3600 { format!("{} hours", left / 3600) } else { format!("{} minutes", left / 60) };
            return (State::Critical, text("CRITICAL", format!("expires in {time} ({end})")));
        }
        if days_left > i64::from(days.warning) {
            return (State::Ok, text("OK", format!("will expire on {end}.")));
        }
        let state = if days_left > i64::from(days.critical) { State::Warning } else { State::Critical };
        (state, text(state.as_str(), format!("expires in {days_left} day(s) ({end}).")))
    }
}

/// A name in the encodings certificates have used; BMPString is UTF-16.
fn name_of(tag: Tag, bytes: &[u8]) -> String {
    if tag == Tag::BmpString {
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte))).collect();
        return String::from_utf16_lossy(&units);
    }
    crate::text::of(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn judged(left: i64, warning: u32, critical: u32) -> (State, String) {
        let certificate = Certificate { common_name: Some("h".into()), not_after: NOW + left };
        let (state, text) = certificate.judge(Days { warning, critical }, NOW);
        (state, text.replace(&date::shown(NOW + left), "DATE"))
    }

    #[test]
    fn the_table_of_the_original() {
        for (left, warning, critical, state, text) in [
            (172_799, 1, 0, State::Warning, "WARNING - Certificate 'h' expires in 1 day(s) (DATE)."),
            (86_400, 30, 1, State::Critical, "CRITICAL - Certificate 'h' expires in 1 day(s) (DATE)."),
            (86_399, 0, 0, State::Critical, "CRITICAL - Certificate 'h' expires in 23 hours (DATE)"),
            (3_599, 30, 0, State::Critical, "CRITICAL - Certificate 'h' expires in 59 minutes (DATE)"),
            (59, 30, 0, State::Critical, "CRITICAL - Certificate 'h' expires in 0 minutes (DATE)"),
            (0, 30, 0, State::Critical, "CRITICAL - Certificate 'h' just expired (DATE)."),
            (-1, 30, 0, State::Critical, "CRITICAL - Certificate 'h' expired on DATE."),
            (86_400 * 31, 30, 0, State::Ok, "OK - Certificate 'h' will expire on DATE."),
            (86_400 * 19, 10, 25, State::Ok, "OK - Certificate 'h' will expire on DATE."),
        ] {
            assert_eq!(judged(left, warning, critical), (state, text.to_owned()), "{left}");
        }
    }

    #[test]
    fn rubbish_is_an_error() {
        assert!(Certificate::read(b"no certificate").is_err());
    }
}
