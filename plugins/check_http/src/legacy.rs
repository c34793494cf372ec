//! Handing over to check_http_openssl: the same check on OpenSSL, for peers that rustls does not
//! talk to.

#[cfg(feature = "rustls")]
mod over;

#[cfg(feature = "rustls")]
pub use over::hand_over;

/// Tells the other program how much of the run's time is gone, in microseconds.
const SPENT: &str = "CHECK_HTTP_SPENT_US";

/// What has been spent of the run's time by the program that handed over to us.
#[cfg(feature = "openssl-tls")]
pub fn spent() -> std::time::Duration {
    let micros = std::env::var(SPENT).ok().and_then(|text| text.parse().ok());
    std::time::Duration::from_micros(micros.unwrap_or(0))
}
