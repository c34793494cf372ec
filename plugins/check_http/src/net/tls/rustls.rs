//! TLS by rustls: 1.2 and 1.3 with the ciphers of today.

use std::io::ErrorKind;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, InvalidMessage, RootCertStore,
    SignatureScheme, StreamOwned,
};

use super::Secured;
use crate::fault::{Fault, TlsFault};
use crate::net::socket::{Socket, Stream};
use crate::net::tls::pem::Pem;
use crate::spec::{TlsVersion, TlsWish};

/// Shakes hands.
pub fn handshake(mut socket: Socket, wish: &TlsWish, name: Option<&str>) -> Result<Secured, Fault> {
    let config = config(wish)?;
    // An address is never said in SNI (RFC 6066, section 3): it stands for "no name".
    let unnamed = ServerName::from(std::net::IpAddr::from([0, 0, 0, 0]));
    let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok()).unwrap_or(unnamed);
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
    Ok(Secured { stream: Box::new(StreamOwned::new(connection, socket)), chain, agreed })
}

fn config(wish: &TlsWish) -> Result<ClientConfig, Fault> {
    let versions: Vec<_> = [(TlsVersion::V1_2, &TLS12), (TlsVersion::V1_3, &TLS13)]
        .into_iter()
        .filter(|(version, _)| wish.oldest.is_none_or(|oldest| *version >= oldest))
        .filter(|(version, _)| wish.newest.is_none_or(|newest| *version <= newest))
        .map(|(_, supported)| supported)
        .collect();
    if versions.is_empty() {
        return Err(only_openssl("TLS 1.0 and 1.1 are left to OpenSSL".into()));
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(refused)?;
    let builder = match &wish.authorities {
        Some(pem) => builder.with_root_certificates(roots(pem)?),
        None => {
            let accept =
                AcceptAnything(provider.signature_verification_algorithms.supported_schemes());
            builder.dangerous().with_custom_certificate_verifier(Arc::new(accept))
        }
    };
    let mut config = match &wish.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.certificates()?)
                .collect::<Result<Vec<_>, _>>();
            let key = key.key(|pem| PrivateKeyDer::from_pem_slice(pem).ok())?;
            let (Ok(chain), Some(key)) = (chain, key) else {
                return Err(only_openssl(
                    "the client certificate or its key cannot be read".into(),
                ));
            };
            builder.with_client_auth_cert(chain, key).map_err(|why| match why {
                Error::InconsistentKeys(_) => Fault::OTHER_KEY,
                // Of X.509 version 1, for example.
                why => {
                    only_openssl(format!("the client certificate or its key cannot be used: {why}"))
                }
            })?
        }
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = wish.sni;
    Ok(config)
}

/// The authorities of a file. Of a system's there are always some that make no sense to a library;
/// the others count.
fn roots(pem: &Pem) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.certificates()?).flatten() {
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        Err(only_openssl(format!("no certificates in {}", pem.path.display())))
    } else {
        Ok(roots)
    }
}

impl Stream for StreamOwned<ClientConnection, Socket> {
    fn close(&mut self) {
        self.conn.send_close_notify();
        let _ = self.conn.write_tls(&mut self.sock);
    }
}

type Signature = Result<HandshakeSignatureValid, Error>;

/// A monitor looks at whatever certificate there is; nothing secret goes to a peer unless its user
/// says so.
#[derive(Debug)]
struct AcceptAnything(Vec<SignatureScheme>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Signature {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Signature {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

fn interrupted(error: std::io::Error) -> Fault {
    if error.kind() == ErrorKind::TimedOut {
        return Fault::Timeout;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(why) => refused(why.clone()),
        // Old servers drop the connection on a handshake they do not understand.
        None => only_openssl(crate::text::plain(&error)),
    }
}

fn refused(error: Error) -> Fault {
    if let Error::InvalidCertificate(why) = &error {
        // OpenSSL is less strict: names without subjectAltName, a server's own certificate as its
        // authority.
        return Fault::Untrusted(TlsFault { why: why.to_string(), worth_openssl: true });
    }
    // Not TLS at all: OpenSSL would not understand it either.
    let not_tls = matches!(error, Error::InvalidMessage(InvalidMessage::InvalidContentType));
    Fault::Tls(TlsFault { why: error.to_string(), worth_openssl: !not_tls })
}

fn only_openssl(why: String) -> Fault {
    Fault::Tls(TlsFault { why, worth_openssl: true })
}
