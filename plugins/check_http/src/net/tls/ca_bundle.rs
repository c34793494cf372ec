//! Where the certificates of authorities are, when a server's is to be verified.

use std::path::Path;
use std::time::Instant;

use plugin_kit::Problem;

use crate::net::tls::pem::Pem;
use crate::spec::typed::unreadable;

/// Where distributions keep all of them in one file.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's file: the one OpenSSL's variable names, or the first there is.
pub fn bundle(deadline: Option<Instant>) -> Result<Pem, Problem> {
    if let Some(named) = std::env::var_os("SSL_CERT_FILE") {
        return Pem::open(Path::new(&named), deadline).map_err(|why| unreadable(&why, &named));
    }
    let none = || {
        Problem::Usage(
            "No certificates of authorities are installed: name their file with --ca-cert".into(),
        )
    };
    BUNDLES.iter().find_map(|path| Pem::open(Path::new(path), deadline).ok()).ok_or_else(none)
}
