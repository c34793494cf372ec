//! The system's certificates of authorities, to verify a server's against.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use super::pem::PemFile;

/// Where distributions keep all of them in one file.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum CaBundleError {
    /// The file that SSL_CERT_FILE names is unusable.
    #[error("{1}")]
    Unusable(OsString, safe_file::Error),
    /// The system has none.
    #[error("No certificates of authorities are installed: name their file with --ca-cert")]
    Missing,
}

/// Opens the system's bundle: the file that OpenSSL's SSL_CERT_FILE names, or the first that
/// exists.
pub fn open(deadline: Option<Instant>) -> Result<PemFile, CaBundleError> {
    if let Some(named) = std::env::var_os("SSL_CERT_FILE") {
        return PemFile::open(Path::new(&named), deadline)
            .map_err(|why| CaBundleError::Unusable(named, why));
    }
    BUNDLES
        .iter()
        .find_map(|path| PemFile::open(Path::new(path), deadline).ok())
        .ok_or(CaBundleError::Missing)
}
