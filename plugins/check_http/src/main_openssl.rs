//! check_http_openssl: check_http on OpenSSL, for the peers that rustls refuses. check_http hands
//! over to it.

fn main() -> std::process::ExitCode {
    plugin_kit::guard("check_http", check_http::run_openssl)
}
