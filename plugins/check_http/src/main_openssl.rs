//! check_http_openssl: check_http on OpenSSL. check_http executes it for peers that rustls refuses.

fn main() -> std::process::ExitCode {
    plugin_kit::guard("check_http", check_http::run_openssl)
}
