//! The target of a request, with its scheme, host, address, port and path.

use std::borrow::Cow;

use super::idn;
use crate::text;

/// The target of a request. Each redirect leads to another target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Default))]
pub struct HttpTarget {
    /// Whether to use TLS.
    pub tls: bool,
    /// Host name for the Host header and SNI, as typed. [`idn::sendable`] returns the form to send.
    /// If there is no host name, the request uses HTTP/1.0.
    pub host: Option<String>,
    /// Name or address to connect to. A value that starts with `/` is the path of a Unix socket.
    pub address: String,
    /// Port to connect to.
    pub port: u16,
    /// Port for the Host header.
    pub virtual_port: u16,
    /// Path and query, as sent in the request line.
    pub url: Vec<u8>,
    /// Whether `address` and `port` belong to a proxy, which opens a tunnel to `host` and
    /// `virtual_port`.
    pub tunnel: bool,
}

impl HttpTarget {
    /// Returns the path of the Unix socket to connect to, if the target has one.
    pub fn socket_path(&self) -> Option<&str> {
        Some(self.address.as_str()).filter(|address| address.starts_with('/'))
    }

    /// Returns the host name, or the address if there is no host name.
    pub fn name(&self) -> &str {
        self.host.as_deref().unwrap_or(&self.address)
    }

    /// Returns this target with a host name. If it has no host name, uses the address as host name.
    pub fn with_host(&self) -> HttpTarget {
        HttpTarget { host: Some(self.name().to_owned()), ..self.clone() }
    }

    /// Returns `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Returns the URL to show in messages. It always contains the port.
    pub fn display_url(&self) -> String {
        let port = if self.tunnel { self.virtual_port } else { self.port };
        let (scheme, host) = (self.scheme(), bracketed(self.name()));
        format!("{scheme}://{host}:{port}{}", text::decode(&self.url))
    }

    /// Returns the value of the Host header, or `None` without a host name. The value contains the
    /// port unless it is the scheme's default.
    pub fn host_header(&self) -> Option<String> {
        let host = Self::split_zone(Self::without_brackets(self.host.as_deref()?)).0;
        let host = idn::sendable(host);
        let host = bracketed(&host);
        let (port, default) = (self.virtual_port, if self.tls { 443 } else { 80 });
        Some(if port == default { host.into_owned() } else { format!("{host}:{port}") })
    }

    /// Splits `NAME[:PORT]` or `[IPV6][:PORT]`. An IPv6 address without brackets has two colons or
    /// more, so it is not split. Returns `None` if the port is invalid.
    pub fn split_host(text: &str) -> Option<(String, Option<u16>)> {
        let end_of_name = match text.strip_prefix('[').and_then(|rest| rest.find(']')) {
            Some(bracket) => bracket + 2,
            None if text.matches(':').count() > 1 => text.len(),
            None => text.find(':').unwrap_or(text.len()),
        };
        let (name, rest) = text.split_at_checked(end_of_name)?;
        match rest.strip_prefix(':') {
            Some("") => Some((name.to_owned(), None)),
            Some(port) => Some((name.to_owned(), Some(port.parse().ok()?))),
            None if rest.is_empty() => Some((name.to_owned(), None)),
            None => None,
        }
    }

    /// Removes the brackets around an IPv6 address, if there are any.
    pub fn without_brackets(name: &str) -> &str {
        name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name)
    }

    /// Splits an IPv6 address with a zone, such as `fe80::1%eth0` (RFC 4007, section 11). The zone
    /// is meaningful only on this machine, so it is not sent to the server (RFC 6874, section 4).
    pub fn split_zone(name: &str) -> (&str, Option<&str>) {
        match name.split_once('%') {
            Some((address, zone)) if address.contains(':') => (address, Some(zone)),
            _ => (name, None),
        }
    }
}

/// Adds the brackets that an IPv6 address needs before a port.
fn bracketed(name: &str) -> Cow<'_, str> {
    if name.contains(':') && !name.starts_with('[') {
        format!("[{name}]").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_host_and_port() {
        for (text, expected) in [
            ("h", Some(("h", None))),
            ("h:80", Some(("h", Some(80)))),
            ("::1", Some(("::1", None))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:8080", Some(("[::1]", Some(8080)))),
            ("h:99999", None),
            ("h:", Some(("h", None))),
            ("[::1]x", None),
        ] {
            let expected = expected.map(|(name, port)| (name.to_owned(), port));
            assert_eq!(HttpTarget::split_host(text), expected, "{text}");
        }
    }
}
