//! Sends requests to Icinga 2's REST API and checks the answers. The certificate of the API is
//! always verified, redirects and proxies are never used, and the size of answers is limited.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use base64ct::{Base64, Encoding};
use plugin_kit::clean;
use policy_file::Icinga2Api;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::error::ApiError;

/// Maximum size of an answer, in bytes. 100,000 services take about 10 MB if only their states are
/// requested.
const LONGEST_ANSWER: u64 = 16 << 20;
/// Maximum size of the CA file, in bytes.
const LONGEST_CA: u64 = 1 << 20;
/// Maximum size of the password file, in bytes.
const LONGEST_PASSWORD: u64 = 4096;
/// Maximum length of the error text that a message quotes from the API, in characters.
const LONGEST_TEXT: usize = 200;

/// Whether a request reads or changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Reads objects. The parameters are sent in the body, where names need no escapes.
    Query,
    /// Runs an action, for example to add a comment.
    Act,
}

/// A connection to the API. The HTTP client keeps it open between requests.
#[derive(Debug)]
pub(super) struct ApiClient<'a> {
    api: &'a Icinga2Api,
    agent: Agent,
    authorization: String,
}

/// A successful response from the API.
#[derive(Deserialize)]
struct Results<T> {
    results: Vec<T>,
}

/// An error response from the API.
#[derive(Deserialize)]
struct ErrorAnswer {
    status: String,
}

impl<'a> ApiClient<'a> {
    /// Reads the password and the CA. Does not connect yet.
    pub(super) fn new(api: &'a Icinga2Api) -> Result<ApiClient<'a>, ApiError> {
        let password = password(&api.password_file)?;
        let login = format!("{}:{password}", api.user);
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&authorities(&api.ca)?))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent("nagios-selfheal")
            .build();
        let authorization = format!("Basic {}", Base64::encode_string(login.as_bytes()));
        Ok(ApiClient { api, agent: config.new_agent(), authorization })
    }

    /// Sends a request, and returns the results. Returns `None` if the API answers that nothing was
    /// found. The API gives the same answer if the API user lacks the permission.
    pub(super) fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<Option<Vec<T>>, ApiError> {
        let (status, answer) =
            self.exchange(method, path, body, deadline).map_err(|why| self.failed(&why))?;
        let (url, request) = (self.api.url.clone(), path.to_owned());
        match status {
            200 => match serde_json::from_slice::<Results<T>>(&answer) {
                Ok(answer) => Ok(Some(answer.results)),
                Err(why) => Err(ApiError::Malformed { url, request, why: why.to_string() }),
            },
            404 => Ok(None),
            401 => Err(ApiError::Login { url, user: self.api.user.clone() }),
            _ => Err(ApiError::Status { url, request, status, text: text_of(&answer) }),
        }
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<(u16, Vec<u8>), ureq::Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = self
            .agent
            .post(format!("{}{path}", self.api.url))
            .config()
            .timeout_global(Some(left))
            .build()
            .header("Authorization", &self.authorization)
            .header("Accept", "application/json")
            .header("Content-Type", "application/json");
        if method == Method::Query {
            request = request.header("X-HTTP-Method-Override", "GET");
        }
        let mut answer: Response<_> = request.send(body.to_string())?;
        let bytes = answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec()?;
        Ok((answer.status().as_u16(), bytes))
    }

    fn failed(&self, why: &ureq::Error) -> ApiError {
        let url = self.api.url.clone();
        match why {
            ureq::Error::Rustls(why) => ApiError::Untrusted { url, why: why.to_string() },
            ureq::Error::Io(why) if why.get_ref().is_some_and(|why| why.is::<rustls::Error>()) => {
                ApiError::Untrusted { url, why: why.to_string() }
            }
            ureq::Error::Io(why) => ApiError::Unreachable { url, why: why.to_string() },
            ureq::Error::Timeout(_) => {
                ApiError::Unreachable { url, why: "it does not answer in time".into() }
            }
            ureq::Error::BodyExceedsLimit(limit) => {
                let why = format!("its answer is longer than {limit} bytes");
                ApiError::Unreachable { url, why }
            }
            why => ApiError::Unreachable { url, why: why.to_string() },
        }
    }
}

/// Returns the text of an answer that reports an error. Icinga 2 sends the text in JSON. If the
/// body is not in this form, returns the body itself.
fn text_of(answer: &[u8]) -> String {
    let text = match serde_json::from_slice::<ErrorAnswer>(answer) {
        Ok(error) => error.status,
        Err(_) => String::from_utf8_lossy(answer).into_owned(),
    };
    clean(&text).chars().take(LONGEST_TEXT).collect()
}

/// Reads the password. The file must belong to this user or to root, and must not be accessible to
/// other accounts.
fn password(path: &Path) -> Result<String, ApiError> {
    let bad = |why: String| ApiError::Password { path: path.to_owned(), why };
    let unreadable = |why: io::Error| bad(format!("cannot be read: {why}"));
    let file: File = safe_file::open(path).map_err(|why| unreadable(why.into()))?;
    let found = file.metadata().map_err(unreadable)?;
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o7777;
        return Err(bad(format!("is accessible to other users (mode {mode:04o}, not 0600)")));
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us && found.uid() != 0 {
        return Err(bad(format!("belongs to uid {}, not to this user ({us})", found.uid())));
    }
    let mut text = String::new();
    file.take(LONGEST_PASSWORD).read_to_string(&mut text).map_err(unreadable)?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(bad("is empty".into()));
    }
    Ok(line.to_owned())
}

/// Reads the certificates of the authorities that can sign the certificate of the API.
fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, ApiError> {
    let bad = |why: String| ApiError::Ca { path: path.to_owned(), why };
    let text = safe_file::read(path, LONGEST_CA, None).map_err(|why| bad(why.to_string()))?;
    let certificates: Result<Vec<_>, ureq::Error> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(why) => Some(Err(why)),
        })
        .collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(bad("it contains no certificate in PEM form".into()))
        }
        certificates => certificates.map_err(|why| bad(why.to_string())),
    }
}
