//! The programs that parse their command line with clap.

/// Returns the clap commands of all programs that use clap, with the names that the programs are
/// installed under.
pub fn programs() -> Vec<clap::Command> {
    vec![
        handle_repair::cli::command(),
        repairctl::cli::command().disable_help_subcommand(true),
        check_repairs::cli::command(),
        as_installed(check_http::command()),
    ]
}

/// Name under which check_http is installed.
pub const CHECK_HTTP: &str = "selfheal_check_http";

/// Renames check_http to the name of its link in the plugin directory. There, the name `check_http`
/// belongs to the distribution's plugin.
fn as_installed(command: clap::Command) -> clap::Command {
    let usage = command
        .get_overridden_usage()
        .map(|usage| usage.to_string().replace("check_http", CHECK_HTTP))
        .unwrap_or_default();
    command.name(CHECK_HTTP).bin_name(CHECK_HTTP).override_usage(usage)
}
