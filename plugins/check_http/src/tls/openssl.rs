//! TLS by OpenSSL at security level 0: whatever a peer speaks, from TLS 1.0 on, with ciphers and keys of any age.
//!
//! Unless verification is asked for, nothing is lost by talking to the weakest of them: that they answer is the question.

use std::io::ErrorKind;

use openssl::ssl::{HandshakeError, Ssl, SslContext, SslFiletype, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion};

use openssl::x509::X509VerifyResult;

use super::Secured;
use crate::fault::{Fault, TlsFault};
use crate::wire::{Socket, Stream};
use crate::wish::{TlsVersion, TlsWish};

/// Shakes hands.
pub fn handshake(socket: Socket, wish: &TlsWish, name: Option<&str>) -> Result<Secured, Fault> {
    let context = context(wish)?;
    let mut ssl = Ssl::new(&context).map_err(|why| refused(&why))?;
    if let Some(name) = name {
        let address = name.parse::<std::net::IpAddr>().ok();
        if address.is_none() {
            ssl.set_hostname(name).map_err(|why| refused(&why))?;
        }
        if wish.authorities.is_some() {
            let expected = match address {
                Some(address) => ssl.param_mut().set_ip(address),
                None => ssl.param_mut().set_host(name),
            };
            expected.map_err(|why| refused(&why))?;
        }
    }
    let stream = ssl.connect(socket).map_err(interrupted)?;
    let ssl = stream.ssl();
    let der = |certificate: &openssl::x509::X509Ref| certificate.to_der().ok();
    let chain: Vec<_> = match ssl.peer_cert_chain() {
        Some(chain) => chain.iter().filter_map(der).collect(),
        None => ssl.peer_certificate().as_deref().and_then(der).into_iter().collect(),
    };
    let agreed = format!("{} {}", ssl.version_str(), ssl.current_cipher().map_or("unknown", |cipher| cipher.name()));
    Ok(Secured { stream: Box::new(stream), chain, agreed })
}

fn context(wish: &TlsWish) -> Result<SslContext, Fault> {
    // Not SslConnector: that would load the system's authorities, which takes longer than all the rest.
    let build = || {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        match &wish.authorities {
            Some(file) => {
                // What is to be trusted has to be worth it: 80 bits (SSL_CTX_set_security_level(3)).
                builder.set_security_level(1);
                builder.set_ca_file(file)?;
                builder.set_verify(SslVerifyMode::PEER);
            }
            None => {
                builder.set_security_level(0);
                builder.set_cipher_list("ALL:COMPLEMENTOFALL:@SECLEVEL=0")?;
                builder.set_verify(SslVerifyMode::NONE);
            }
        }
        builder.set_options(SslOptions::NO_TICKET | SslOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION | legacy_server());
        builder.set_min_proto_version(Some(wish.oldest.map_or(SslVersion::TLS1, version)))?;
        builder.set_max_proto_version(wish.newest.map(version))?;
        Ok(builder)
    };
    let mut builder = build().map_err(|why| refused(&why))?;
    if let Some((certificate, key)) = &wish.client {
        let chain = builder.set_certificate_chain_file(certificate);
        chain.map_err(|_| Fault::Client("Unable to open certificate chain file!"))?;
        let key = builder.set_private_key_file(key, SslFiletype::PEM).and_then(|()| builder.check_private_key());
        key.map_err(|_| Fault::OTHER_KEY)?;
    }
    Ok(builder.build())
}

/// SSL_OP_LEGACY_SERVER_CONNECT: servers that do not know secure renegotiation (RFC 5746). It has no name in the crate.
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

impl Stream for SslStream<Socket> {
    fn close(&mut self) {
        let _ = self.shutdown();
    }
}

fn interrupted(error: HandshakeError<Socket>) -> Fault {
    let stream = match error {
        HandshakeError::SetupFailure(why) => return refused(&why),
        HandshakeError::Failure(stream) | HandshakeError::WouldBlock(stream) => stream,
    };
    let verified = stream.ssl().verify_result();
    if stream.ssl().verify_mode() == SslVerifyMode::PEER && verified != X509VerifyResult::OK {
        let why = verified.error_string().to_owned();
        return Fault::Untrusted(TlsFault { why, worth_openssl: false });
    }
    let error = stream.into_error();
    match (error.io_error(), error.ssl_error()) {
        (Some(why), _) if why.kind() == ErrorKind::TimedOut => Fault::Timeout,
        (_, Some(stack)) if !stack.errors().is_empty() => refused(stack),
        (Some(why), _) => Fault::Tls(TlsFault { why: crate::text::plain(why), worth_openssl: false }),
        _ => Fault::Tls(TlsFault { why: "the peer closed the connection".into(), worth_openssl: false }),
    }
}

/// In words; the library's own text names its functions, files and lines.
fn refused(stack: &openssl::error::ErrorStack) -> Fault {
    let reasons: Vec<&str> = stack.errors().iter().filter_map(openssl::error::Error::reason).collect();
    let why = if reasons.is_empty() { stack.to_string() } else { reasons.join(", ") };
    Fault::Tls(TlsFault { why, worth_openssl: false })
}
