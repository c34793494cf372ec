//! TLS with OpenSSL. Unless -D or --pin-sha256 is given, it uses security level 0, which allows
//! every version from TLS 1.0 on, every cipher and every key size.
//!
//! Without these options, weak encryption adds no risk, because the check only tests whether the
//! server responds.

use std::io::{ErrorKind, Write, pipe};
use std::os::fd::AsRawFd;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    HandshakeError, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509StoreContextRef, X509VerifyResult};

use super::pem::PemFile;
use super::{TlsConnection, TlsSpec, TlsVersion};
use crate::fault::{Fault, NOT_TLS, TlsFault};
use crate::http::connection::stream::ByteStream;
use crate::net::socket::Socket;
use crate::text;

/// Performs the TLS handshake on `socket`.
pub fn handshake(
    socket: Socket,
    spec: &TlsSpec,
    name: Option<&str>,
) -> Result<TlsConnection, Fault> {
    let context = context(spec)?;
    let mut ssl = Ssl::new(&context)?;
    if let Some(name) = name {
        let address = name.parse::<std::net::IpAddr>().ok();
        if address.is_none() {
            ssl.set_hostname(name)?;
        }
        if spec.verifies_name() {
            let expected = match address {
                Some(address) => ssl.param_mut().set_ip(address),
                None => ssl.param_mut().set_host(name),
            };
            expected?;
        }
    }
    let stream = ssl.connect(socket).map_err(interrupted)?;
    let ssl = stream.ssl();
    let der = |certificate: &openssl::x509::X509Ref| certificate.to_der().ok();
    let chain: Vec<_> = match ssl.peer_cert_chain() {
        Some(chain) => chain.iter().filter_map(der).collect(),
        None => ssl.peer_certificate().as_deref().and_then(der).into_iter().collect(),
    };
    let agreed = format!(
        "{} {}",
        ssl.version_str(),
        ssl.current_cipher().map_or("unknown", |cipher| cipher.name())
    );
    Ok(TlsConnection { stream: Box::new(stream), chain, agreed })
}

fn context(spec: &TlsSpec) -> Result<SslContext, Fault> {
    // Do not use SslConnector. It would load the system's CA bundle, which takes longer than all
    // the rest of the check.
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    if spec.authenticates_server() {
        // Require at least 80 bits of security (level 1 in SSL_CTX_set_security_level(3)).
        // Verifying a weaker certificate or key would prove nothing, because it could be forged.
        builder.set_security_level(1);
    } else {
        builder.set_security_level(0);
        builder.set_cipher_list("ALL:COMPLEMENTOFALL:@SECLEVEL=0")?;
    }
    if spec.ca_bundle.is_some() {
        builder.set_verify(SslVerifyMode::PEER);
        // Trust every certificate in the bundle, even if it is not self-signed
        // (X509_VERIFY_PARAM_set_flags(3)). Users can then pass the server's own certificate.
        builder.verify_param_mut().set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    } else if spec.verify_host {
        builder.set_verify_callback(SslVerifyMode::PEER, accept_issuer);
    } else {
        builder.set_verify(SslVerifyMode::NONE);
    }
    builder.set_options(
        SslOptions::NO_TICKET | SslOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION | legacy_server(),
    );
    builder.set_min_proto_version(Some(spec.oldest.map_or(SslVersion::TLS1, version)))?;
    builder.set_max_proto_version(spec.newest.map(version))?;
    if let Some(bundle) = &spec.ca_bundle {
        piped(bundle.certificates()?, |path| Ok(builder.set_ca_file(path)?))?;
    }
    if let Some((certificate, key)) = &spec.client {
        let no_chain = |_| Fault::ClientCertificate("Unable to open certificate chain file!");
        piped(certificate.certificates()?, |path| {
            builder.set_certificate_chain_file(path).map_err(no_chain)
        })?;
        let passphrase = spec.passphrase.as_ref().map(PemFile::first_line).transpose()?;
        let key = key.key(passphrase.is_some(), |pem| private_key(pem, passphrase))?;
        let fits = key.is_some_and(|key| {
            builder.set_private_key(&key).and_then(|()| builder.check_private_key()).is_ok()
        });
        if !fits {
            return Err(Fault::KEY_MISMATCH);
        }
    }
    Ok(builder.build())
}

/// Parses a private key, which may be encrypted with `passphrase`.
fn private_key(pem: &[u8], passphrase: Option<&[u8]>) -> Option<PKey<Private>> {
    // Without this callback, OpenSSL would prompt for the passphrase and wait for input.
    let answer = |buffer: &mut [u8]| {
        let passphrase = passphrase.unwrap_or_default();
        let space = buffer.get_mut(..passphrase.len());
        // Treat a passphrase that is too long for the buffer as wrong.
        Ok(space.map_or(0, |space| {
            space.copy_from_slice(passphrase);
            space.len()
        }))
    };
    PKey::private_key_from_pem_callback(pem, answer).ok()
}

/// Verifies only the name in a certificate. Ignores every other problem that OpenSSL finds.
fn accept_issuer(verified: bool, certificate: &mut X509StoreContextRef) -> bool {
    // 62 is X509_V_ERR_HOSTNAME_MISMATCH and 64 is X509_V_ERR_IP_ADDRESS_MISMATCH. The openssl
    // crate has no constants for them.
    let accepted = verified || !matches!(certificate.error().as_raw(), 62 | 64);
    if accepted {
        certificate.set_error(X509VerifyResult::OK);
    }
    accepted
}

/// Passes `content` to OpenSSL through a pipe, which OpenSSL opens by its path in /proc. OpenSSL
/// can read certificate chains and the trust settings in TRUSTED CERTIFICATE blocks only from
/// files. OpenSSL must not open the original file itself, because another user may own that file
/// and reading it might never end.
fn piped(content: &[u8], read: impl FnOnce(String) -> Result<(), Fault>) -> Result<(), Fault> {
    let failed = |why: std::io::Error| {
        Fault::File(format!("cannot pass a file to OpenSSL: {}", text::io_error(&why)))
    };
    let (reader, mut writer) = pipe().map_err(failed)?;
    std::thread::scope(|scope| {
        // Ignore a write error. It occurs if OpenSSL rejects the content before it has read all of
        // it.
        let write = move || writer.write_all(content);
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn_scoped(scope, write)
            .map_err(failed)?;
        let result = read(format!("/proc/self/fd/{}", reader.as_raw_fd()));
        drop(reader);
        result
    })
}

/// Returns the option SSL_OP_LEGACY_SERVER_CONNECT, for which the openssl crate has no constant.
/// The option allows servers without secure renegotiation (RFC 5746).
fn legacy_server() -> SslOptions {
    SslOptions::from_bits_retain(0x4)
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }
}

impl ByteStream for SslStream<Socket> {
    fn close(&mut self) {
        let _ = self.shutdown();
    }
}

fn interrupted(error: HandshakeError<Socket>) -> Fault {
    let stream = match error {
        HandshakeError::SetupFailure(why) => return why.into(),
        HandshakeError::Failure(stream) | HandshakeError::WouldBlock(stream) => stream,
    };
    let verified = stream.ssl().verify_result();
    if stream.ssl().verify_mode() == SslVerifyMode::PEER && verified != X509VerifyResult::OK {
        let why = verified.error_string().to_owned();
        return Fault::Untrusted(TlsFault { why, openssl_may_help: false });
    }
    let error = stream.into_error();
    match (error.io_error(), error.ssl_error()) {
        (Some(why), _) if why.kind() == ErrorKind::TimedOut => Fault::Timeout,
        (_, Some(stack)) if !stack.errors().is_empty() => refused(reasons(stack)),
        (Some(why), _) => refused(text::io_error(why)),
        _ => refused("the peer closed the connection".into()),
    }
}

fn refused(why: String) -> Fault {
    Fault::Tls(TlsFault { why, openssl_may_help: false })
}

impl From<ErrorStack> for Fault {
    fn from(stack: ErrorStack) -> Fault {
        refused(reasons(&stack))
    }
}

/// Returns only the reasons from OpenSSL's message, without the functions, files and line numbers
/// that it also contains.
fn reasons(stack: &ErrorStack) -> String {
    let reasons: Vec<&str> =
        stack.errors().iter().filter_map(openssl::error::Error::reason).collect();
    match reasons.as_slice() {
        [] => stack.to_string(),
        // OpenSSL reports the first bytes of another protocol as an unknown version.
        ["wrong version number"] => NOT_TLS.into(),
        reasons => reasons.join(", "),
    }
}
