//! check_http: one HTTP exchange, one line for Nagios.

/// musl's own allocator costs a fifth of a whole run.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    plugin_kit::guard("check_http", check_http::run)
}
