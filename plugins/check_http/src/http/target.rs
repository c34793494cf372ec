//! The target of a request: scheme, host, address, port and path.

use std::borrow::Cow;

use crate::text;

/// The target of a request. A redirect makes a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Default))]
pub struct HttpTarget {
    /// Whether TLS is used.
    pub tls: bool,
    /// Host name for the Host header and SNI. Without one the request is HTTP/1.0.
    pub host: Option<String>,
    /// Name or address to connect to. A path (it starts with `/`) is a unix socket.
    pub address: String,
    /// Port to connect to.
    pub port: u16,
    /// Port in the Host header.
    pub virtual_port: u16,
    /// Path and query, as sent in the request line.
    pub url: Vec<u8>,
    /// Whether address and port are those of a proxy, which connects to host and virtual port.
    pub tunnel: bool,
}

impl HttpTarget {
    /// Path of the unix socket to connect to, if it is one.
    pub fn socket_path(&self) -> Option<&str> {
        Some(self.address.as_str()).filter(|address| address.starts_with('/'))
    }

    /// The host name, or the address without one.
    pub fn name(&self) -> &str {
        self.host.as_deref().unwrap_or(&self.address)
    }

    /// The same target with a host: its address if it has no name.
    pub fn with_host(&self) -> HttpTarget {
        HttpTarget { host: Some(self.name().to_owned()), ..self.clone() }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The URL for messages, always with a port.
    pub fn display_url(&self) -> String {
        let port = if self.tunnel { self.virtual_port } else { self.port };
        let (scheme, host) = (self.scheme(), bracketed(self.name()));
        format!("{scheme}://{host}:{port}{}", text::decode(&self.url))
    }

    /// Value of the Host header, with the port if it is not the scheme's default. `None` without a
    /// host name.
    pub fn host_header(&self) -> Option<String> {
        let host = bracketed(self.host.as_deref()?);
        let (port, default) = (self.virtual_port, if self.tls { 443 } else { 80 });
        Some(if port == default { host.into_owned() } else { format!("{host}:{port}") })
    }

    /// Splits `NAME[:PORT]` or `[IPV6][:PORT]`. A bare IPv6 address (two colons or more) has no
    /// port. `None` if the port is invalid.
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

    /// Removes the brackets that an IPv6 address needs before a port.
    pub fn without_brackets(name: &str) -> &str {
        name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name)
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
    fn splits_hosts_at_the_right_colon() {
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
