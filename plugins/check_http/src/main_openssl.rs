//! check_http_openssl is check_http with OpenSSL. check_http executes it for peers that rustls
//! refuses.

fn main() -> std::process::ExitCode {
    plugin_kit::guard("check_http", check_http::run_openssl)
}
