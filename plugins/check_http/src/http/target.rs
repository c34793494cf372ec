//! Whom a request goes to: scheme, site, address, port and path.

use std::borrow::Cow;

/// One end of a conversation. A redirect makes a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The site's name, as the Host header and SNI say it; without one the request is HTTP/1.0.
    pub host: Option<String>,
    /// Name or address to connect to; a path (it begins with `/`) is a unix socket.
    pub address: String,
    /// Port to connect to.
    pub port: u16,
    /// Port in the Host header.
    pub virtual_port: u16,
    /// What is asked for, as it goes into the request line.
    pub url: Vec<u8>,
    /// Address and port are a proxy's, which connects to host and virtual port.
    pub tunnel: bool,
}

impl Place {
    /// The path of the unix socket to connect to.
    pub fn socket_path(&self) -> Option<&str> {
        Some(self.address.as_str()).filter(|address| address.starts_with('/'))
    }

    /// The site's name, or its address when it has none.
    pub fn name(&self) -> &str {
        self.host.as_deref().unwrap_or(&self.address)
    }

    /// The same place, with its address for a name if it has none.
    pub fn named(&self) -> Place {
        Place { host: Some(self.name().to_owned()), ..self.clone() }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The URL as messages show it, always with its port.
    pub fn shown(&self) -> String {
        let port = if self.tunnel { self.virtual_port } else { self.port };
        format!(
            "{}://{}:{port}{}",
            self.scheme(),
            bracketed(self.name()),
            crate::text::of(&self.url)
        )
    }

    /// The Host header's value: the port only when it is not the scheme's own. `None` without a
    /// name.
    pub fn host_header(&self) -> Option<String> {
        let host = bracketed(self.host.as_deref()?);
        let own = if self.tls { 443 } else { 80 };
        Some(if self.virtual_port == own {
            host.into_owned()
        } else {
            format!("{host}:{}", self.virtual_port)
        })
    }

    /// `NAME[:PORT]` or `[IPV6][:PORT]`; a bare IPv6 address (two colons or more) has no port.
    /// `None`: that is no port.
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

    /// An IPv6 address without the brackets it needs in front of a port.
    pub fn without_brackets(name: &str) -> &str {
        name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name)
    }
}

/// A name as it stands in front of a port: an IPv6 address needs its brackets there.
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
    fn hosts_are_split_at_the_right_colon() {
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
            assert_eq!(
                Place::split_host(text),
                expected.map(|(name, port)| (name.to_owned(), port)),
                "{text}"
            );
        }
    }
}
