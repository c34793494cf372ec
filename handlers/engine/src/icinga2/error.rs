//! Errors from Icinga 2's API.

use std::path::PathBuf;

/// Why Icinga 2's API cannot be used, or did not answer as expected.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum ApiError {
    /// The password file is missing, not readable, or accessible to other accounts.
    #[error(
        "cannot use the password file {path}: it {why}; see icinga2.password_file in the policy"
    )]
    Password { path: PathBuf, why: String },
    /// The file with the certificate authorities is missing, not readable, or holds no certificate.
    #[error("cannot use the CA file {path}: {why}; see icinga2.ca in the policy")]
    Ca { path: PathBuf, why: String },
    /// The certificate of the API is not valid for its name, or another authority signed it.
    #[error(
        "cannot verify the certificate of Icinga 2's API at {url}: {why}; check icinga2.url and icinga2.ca in the policy"
    )]
    Untrusted { url: String, why: String },
    /// The API cannot be reached, did not answer in time, or sent too much.
    #[error("cannot query Icinga 2's API at {url}: {why}; is Icinga 2 running?")]
    Unreachable { url: String, why: String },
    /// The API does not accept the user and the password.
    #[error(
        "Icinga 2's API at {url} does not accept the user {user} with this password; compare its \
         ApiUser with icinga2.user and icinga2.password_file in the policy"
    )]
    Login { url: String, user: String },
    /// The user has no permission for a request. To some requests, Icinga 2 also gives this answer
    /// if the object does not exist.
    #[error(
        "Icinga 2's API at {url} does not permit {permission} to the user {user}; see \
         nagios-config/icinga2/api-user.conf"
    )]
    Denied { url: String, user: String, permission: String },
    /// Icinga 2 does not know the object of the event, or the user may not see it.
    #[error(
        "Icinga 2's API at {url} does not show {object} to the user {user}; check that the \
         object exists there and sets vars.repair"
    )]
    NoSuchObject { url: String, user: String, object: String },
    /// The API answered with an error.
    #[error("Icinga 2's API at {url} answers {status} to {request}: {text}")]
    Status { url: String, request: String, status: u16, text: String },
    /// The answer does not have the form that Icinga 2 uses.
    #[error("Icinga 2's API at {url} sent an unexpected answer to {request}: {why}")]
    Malformed { url: String, request: String, why: String },
}
