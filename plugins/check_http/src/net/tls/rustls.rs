//! TLS with rustls, which supports TLS 1.2 and 1.3 with modern ciphers.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{self, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error, InvalidMessage,
    ProtocolVersion, RootCertStore, SignatureScheme, StreamOwned,
};

use super::pem::PemFile;
use super::{TlsConnection, TlsSpec, TlsVersion};
use crate::fault::{Fault, NOT_TLS, TlsFault, UNRECOGNIZED_NAME};
use crate::http::connection::stream::ByteStream;
use crate::net::socket::Socket;
use crate::text;

/// Performs the TLS handshake on `socket`.
pub fn handshake(
    mut socket: Socket,
    spec: &TlsSpec,
    name: Option<&str>,
) -> Result<TlsConnection, Fault> {
    let config = config(spec)?;
    let name = match name {
        // rustls rejects names that are not valid in DNS, such as `shop-.example`. Some servers
        // have such names, so try OpenSSL, which accepts them.
        Some(name) => ServerName::try_from(name.to_owned())
            .map_err(|_| try_openssl(format!("'{name}' is not a valid DNS name")))?,
        // rustls requires a name. Pass an arbitrary address, because rustls never sends an address
        // in SNI (RFC 6066, section 3).
        None => ServerName::from(std::net::IpAddr::from([0, 0, 0, 0])),
    };
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(refused)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).map_err(interrupted)?;
    }
    let chain =
        connection.peer_certificates().unwrap_or_default().iter().map(|der| der.to_vec()).collect();
    let version =
        connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let suite = connection
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .unwrap_or("unknown");
    let agreed = format!("{version} {suite}");
    let socket = MonitoredSocket { socket, has_read: false, has_replied: false };
    Ok(TlsConnection { stream: Box::new(StreamOwned::new(connection, socket)), chain, agreed })
}

fn config(spec: &TlsSpec) -> Result<ClientConfig, Fault> {
    let versions: Vec<_> = [(TlsVersion::V1_2, &TLS12), (TlsVersion::V1_3, &TLS13)]
        .into_iter()
        .filter(|(version, _)| spec.oldest.is_none_or(|oldest| *version >= oldest))
        .filter(|(version, _)| spec.newest.is_none_or(|newest| *version <= newest))
        .map(|(_, supported)| supported)
        .collect();
    if versions.is_empty() {
        return Err(try_openssl("check_http supports TLS 1.0 and 1.1 only with OpenSSL".into()));
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(refused)?;
    let builder = match &spec.ca_bundle {
        Some(pem) => builder.with_root_certificates(roots(pem)?),
        None => {
            let accept = AcceptIssuer {
                algorithms: provider.signature_verification_algorithms,
                verify_name: spec.verify_host,
                verify_signature: !spec.pins.is_empty(),
            };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(accept))
        }
    };
    let mut config = match &spec.client {
        None => builder.with_no_client_auth(),
        Some(_) if spec.passphrase.is_some() => {
            return Err(try_openssl("check_http reads encrypted keys only with OpenSSL".into()));
        }
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.certificates()?)
                .collect::<Result<Vec<_>, _>>();
            let key = key.key(false, |pem| PrivateKeyDer::from_pem_slice(pem).ok())?;
            let (Ok(chain), Some(key)) = (chain, key) else {
                return Err(try_openssl("the client certificate or its key cannot be read".into()));
            };
            builder.with_client_auth_cert(chain, key).map_err(|why| match why {
                Error::InconsistentKeys(_) => Fault::KEY_MISMATCH,
                // rustls cannot use the certificate. This happens, for example, if its X.509
                // version is 1.
                why => {
                    try_openssl(format!("the client certificate or its key cannot be used: {why}"))
                }
            })?
        }
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = spec.sni;
    Ok(config)
}

/// Returns the CA certificates in a bundle. Skips certificates that rustls cannot read, because
/// every system's bundle contains some.
fn roots(pem: &PemFile) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.certificates()?).flatten() {
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        Err(try_openssl(format!("{} contains no certificates", pem.path.display())))
    } else {
        Ok(roots)
    }
}

/// The socket below TLS. It records whether rustls sent anything to the server while it was reading
/// the response.
#[derive(Debug)]
struct MonitoredSocket {
    socket: Socket,
    has_read: bool,
    has_replied: bool,
}

impl Read for MonitoredSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.has_read = true;
        self.socket.read(buffer)
    }
}

impl Write for MonitoredSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.has_replied = self.has_read;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl ByteStream for StreamOwned<ClientConnection, MonitoredSocket> {
    fn close(&mut self) {
        self.conn.send_close_notify();
        let _ = self.conn.write_tls(&mut self.sock);
    }

    // In TLS 1.2, rustls sends something while reading only if the server requests a renegotiation,
    // which rustls refuses (RFC 5246, section 7.4.1.1). Servers request one if only a part of the
    // site needs a client certificate. They have not processed our request at that point, so
    // OpenSSL can safely send it again.
    fn no_data(&self) -> Fault {
        if self.sock.has_replied && self.conn.protocol_version() == Some(ProtocolVersion::TLSv1_2) {
            try_openssl("the server requested a TLS renegotiation".into())
        } else {
            Fault::NoData
        }
    }
}

/// A verifier that accepts certificates from every issuer. Without -D and --pin-sha256, the check
/// only tests whether the server responds.
#[derive(Debug)]
struct AcceptIssuer {
    algorithms: WebPkiSupportedAlgorithms,
    /// Whether to verify the names in the certificate.
    verify_name: bool,
    /// Whether to verify that the server has the private key of its certificate. Without this
    /// verification, a pin is worth nothing, because anyone can send a copy of a public
    /// certificate.
    verify_signature: bool,
}

impl ServerCertVerifier for AcceptIssuer {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verify_name {
            verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.verify_signature {
            return Ok(HandshakeSignatureValid::assertion());
        }
        crypto::verify_tls12_signature(message, own, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.verify_signature {
            return Ok(HandshakeSignatureValid::assertion());
        }
        crypto::verify_tls13_signature(message, own, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn interrupted(error: io::Error) -> Fault {
    if error.kind() == ErrorKind::TimedOut {
        return Fault::Timeout;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(why) => refused(why.clone()),
        // Try OpenSSL. The peer may be a legacy server that closed the connection because it did
        // not understand the handshake.
        None => try_openssl(text::io_error(&error)),
    }
}

fn refused(error: Error) -> Fault {
    if let Error::InvalidCertificate(why) = &error {
        // OpenSSL may accept the certificate, because it is less strict than rustls. For example,
        // it accepts a certificate without subjectAltName, and a CA certificate that is used as the
        // server certificate.
        return Fault::Untrusted(TlsFault { why: why.to_string(), openssl_may_help: true });
    }
    // If the peer does not speak TLS or does not know the host name, OpenSSL would fail as well.
    let (why, openssl_may_help) = match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => (NOT_TLS.into(), false),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            (UNRECOGNIZED_NAME.into(), false)
        }
        other => (other.to_string(), true),
    };
    Fault::Tls(TlsFault { why, openssl_may_help })
}

fn try_openssl(why: String) -> Fault {
    Fault::Tls(TlsFault { why, openssl_may_help: true })
}
