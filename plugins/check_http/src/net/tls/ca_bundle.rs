//! Finds the system's CA bundle, a file with the CA certificates that servers are verified against.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use super::pem::PemFile;

/// Paths at which distributions install the CA bundle.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there is no usable bundle.
#[derive(Debug, thiserror::Error)]
pub enum CaBundleError {
    /// The file named in SSL_CERT_FILE is unusable. Holds its name and the reason.
    #[error("{1}")]
    Unusable(OsString, safe_file::Error),
    /// The system has no bundle at any of the known paths.
    #[error("This system has no CA certificates; name a file that contains them with --ca-cert")]
    Missing,
}

/// Opens the bundle that the environment variable SSL_CERT_FILE names. OpenSSL uses the same
/// variable. If the variable is not set, opens the first known bundle that can be opened.
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
