//! check_http checks an HTTP or HTTPS server and prints one line for Nagios.

/// The memory allocator. With musl's own allocator, a fifth of the whole run time would be spent on
/// allocation.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    plugin_kit::guard("check_http", check_http::run)
}
