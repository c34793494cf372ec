//! check_http checks an HTTP or HTTPS server and prints one line for Nagios.

/// The allocator. musl's own would take a fifth of the whole run time.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    plugin_kit::guard("check_http", check_http::run)
}
