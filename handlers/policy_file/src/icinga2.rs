//! The key `icinga2` of policy.json, which selects Icinga 2 as the monitoring engine.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// How to reach Icinga 2's REST API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Icinga2Api {
    /// The scheme, host and port, for example `https://monitor.example.org:5665`, without a slash
    /// at the end. The host must be a name in the API's certificate.
    #[serde(deserialize_with = "url")]
    pub url: String,
    /// Name of the `ApiUser` object.
    #[serde(default = "default_user", deserialize_with = "user")]
    pub user: String,
    /// Path of the file with the password. Only Nagios' user may have access to it.
    #[serde(default = "default_password_file")]
    pub password_file: PathBuf,
    /// Path of a file with the certificates, in PEM format, of the authorities that may sign the
    /// API's certificate. No other authority is trusted.
    #[serde(default = "default_ca")]
    pub ca: PathBuf,
}

impl Icinga2Api {
    /// Returns every path in these settings.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        [self.password_file.as_path(), &self.ca].into_iter()
    }
}

fn default_user() -> String {
    "selfheal".to_owned()
}

fn default_password_file() -> PathBuf {
    "/etc/nagios-selfheal/icinga2.password".into()
}

/// Path of the copy of the CA certificate that Icinga 2 keeps on every node.
fn default_ca() -> PathBuf {
    "/var/lib/icinga2/certs/ca.crt".into()
}

fn url<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    let url = String::deserialize(json)?;
    let place = url.strip_prefix("https://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    match place {
        Some(place) if is_place(place) => Ok(format!("https://{place}")),
        _ => {
            let wanted = "\"https://NAME:5665\"";
            Err(D::Error::custom(format!("'{url}' is not the address of an API; use {wanted}")))
        }
    }
}

/// Whether the text is a host name or an address, followed by an optional port.
fn is_place(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(name),
    };
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Refuses names that HTTP's Basic authentication cannot transmit (RFC 7617, section 2).
fn user<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    let user = String::deserialize(json)?;
    if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
        let bad = "the user is empty, or contains ':' or a control character";
        return Err(D::Error::custom(bad));
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Icinga2Api, String> {
        serde_json::from_str(text).map_err(|bad| bad.to_string())
    }

    #[test]
    fn accepts_names_and_addresses_with_and_without_a_port() {
        for (url, wanted) in [
            ("https://monitor.example.org:5665", "https://monitor.example.org:5665"),
            ("https://localhost:5665/", "https://localhost:5665"),
            ("https://[::1]:5665", "https://[::1]:5665"),
            ("https://[::1]", "https://[::1]"),
            ("https://192.0.2.1", "https://192.0.2.1"),
        ] {
            assert_eq!(read(&format!(r#"{{"url": "{url}"}}"#)).unwrap().url, wanted);
        }
    }

    #[test]
    fn refuses_urls_that_could_send_the_password_elsewhere() {
        for url in [
            "http://localhost:5665",
            "https://",
            "https://localhost:0",
            "https://localhost:65536",
            "https://localhost:",
            "https://user:secret@localhost:5665",
            "https://localhost:5665/v1",
            "https://localhost:5665?a",
            "https://localhost:5665#a",
            "https://[localhost]:5665",
            "https://local host",
        ] {
            let refused = read(&format!(r#"{{"url": "{url}"}}"#)).unwrap_err();
            assert!(refused.contains("is not the address of an API"), "{url}: {refused}");
        }
    }

    #[test]
    fn fills_in_defaults_and_refuses_users_that_http_cannot_transmit() {
        let api = read(r#"{"url": "https://localhost:5665"}"#).unwrap();
        assert_eq!((api.user.as_str(), api.ca), ("selfheal", default_ca()));
        for user in ["", "a:b", r"a\n"] {
            let text = format!(r#"{{"url": "https://localhost:5665", "user": "{user}"}}"#);
            assert!(read(&text).unwrap_err().contains("the user is empty"), "{user}");
        }
    }
}
