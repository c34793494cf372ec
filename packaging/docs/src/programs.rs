//! The programs with a command line of clap.

/// Every program with a command line of clap's, by the name it is called by on a system.
pub fn programs() -> Vec<clap::Command> {
    vec![
        handle_repair::cli::command(),
        repairctl::cli::command().disable_help_subcommand(true),
        check_repairs::cli::command(),
        beside_the_original(check_http::command()),
    ]
}

/// Where plugins lie, check_http is the distribution's own; ours has a link of another name there.
fn beside_the_original(command: clap::Command) -> clap::Command {
    const NAME: &str = "selfheal_check_http";
    let usage = command
        .get_overridden_usage()
        .map(|usage| usage.to_string().replace("check_http", NAME))
        .unwrap_or_default();
    command.name(NAME).bin_name(NAME).override_usage(usage)
}
