//! TLS for connections to PostgreSQL, with rustls.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, io};

use policy_file::PostgresTls;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// Maximum size of a file with certificates, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// How long to wait for a file with certificates or a password, which could be on a slow network
/// file system.
const FILE_TIME: Duration = Duration::from_secs(10);

/// TLS settings for connections. With these settings, rustls checks the server's certificate and
/// name, and presents our own certificate if there is one.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the certificates.
    ///
    /// # Errors
    /// Returns [`Error::Secret`] if a file cannot be read or contains no usable certificate or key.
    pub(super) fn new(files: &PostgresTls) -> Result<Tls, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca)? {
            roots.add(certificate).map_err(|why| unusable(&files.ca, why))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| unusable(&files.ca, why))?
            .with_root_certificates(roots);
        let config = match &files.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let secret = PrivateKeyDer::from_pem_slice(&read_file(key)?)
                    .map_err(|why| unusable(key, why))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, secret)
                    .map_err(|why| unusable(key, why))?
            }
        };
        Ok(Tls(Arc::new(config)))
    }
}

/// Reads a file with certificates or a password. Waits for the file for at most [`FILE_TIME`].
///
/// # Errors
/// Returns [`Error::Secret`] if the file cannot be read.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let deadline = Instant::now() + FILE_TIME;
    safe_file::read(path, LARGEST, Some(deadline))
        .map_err(|why| unusable(path, io::Error::from(why)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read_file(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|why| unusable(path, why))?;
    if all.is_empty() { Err(unusable(path, "it contains no certificate")) } else { Ok(all) }
}

fn unusable(path: &Path, why: impl fmt::Display) -> Error {
    Error::Secret { path: path.to_owned(), why: why.to_string() }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = ServerHandshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<ServerHandshake> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(ServerHandshake { config: Arc::clone(&self.0), name })
    }
}

/// A TLS handshake with one server.
pub(super) struct ServerHandshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for ServerHandshake {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let handshake = TlsConnector::from(self.config).connect(self.name, stream);
        Box::pin(async move { Ok(Encrypted(handshake.await?)) })
    }
}

/// An encrypted connection.
pub(super) struct Encrypted<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    /// Returns no binding. rustls has checked the server's certificate, so a third party cannot be
    /// in between.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
